// The gRPC servers of one process: internal (mTLS, identity table) and public (server TLS). Private to libs/daemon.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "absl/status/statusor.h"
#include "libs/obs/log.h"
#include "libs/obs/metrics.h"
#include "libs/rpc/tls_files.h"

namespace flattone::daemon {

struct NamedService {
  grpc::Service* service;
  std::string name;
};

class Server {
 public:
  struct Options {
    std::string address;
    std::string flag;  // for the error when it cannot be bound
    std::shared_ptr<grpc::ServerCredentials> credentials;
    std::vector<NamedService> services;
    std::function<void(grpc::ServerBuilder&)> configure;
    int max_message_bytes = 4 << 20;
  };
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Options& options);

  int port() const { return port_; }
  void SetReady(bool ready);
  // Ends what still runs at the deadline.
  void Shutdown(absl::Time deadline);

 private:
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::string> names_;
  int port_ = 0;
};

// Lines of the gRPC library go through our log, as JSON, from now on (nullptr: dropped).
void RouteGrpcLog(obs::Logger* log);

}  // namespace flattone::daemon
