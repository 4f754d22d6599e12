// The REST door on its own port: the HTTPS server in front of rest::RestDoor.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/random.h"
#include "libs/http/server.h"
#include "libs/obs/metrics.h"
#include "libs/rpc/tls_files.h"
#include "services/session-orchestration/rest/door.h"

namespace flattone::session {

class RestListener {
 public:
  // `address` is host:port, port 0: any free one. `dispatcher`, `random` and `registry` outlive it.
  static absl::StatusOr<std::unique_ptr<RestListener>> Start(const std::string& address, const rpc::TlsFiles& tls,
                                                             RpcDispatcher& dispatcher, Random& random, obs::Registry& registry);
  int port() const { return server_->port(); }
  // Ends streams, waits for answers that are under way.
  void Drain(absl::Duration grace) { server_->Drain(grace); }

 private:
  RestListener() = default;
  void Export(obs::Registry& registry);
  std::unique_ptr<rest::RestDoor> door_;
  std::unique_ptr<http::HttpServer> server_;  // gone before the door
  std::vector<std::unique_ptr<obs::GaugeFunction>> meters_;  // of the server's counters: gone before it
};

}  // namespace flattone::session
