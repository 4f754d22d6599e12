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
  // Reads certificate and key again when the files have changed, for new connections; what cannot be used changes nothing
  // and is tried again. One thread at a time, every few seconds.
  absl::Status RefreshTls();
  // Ends streams, waits for answers that are under way.
  void Drain(absl::Duration grace) { server_->Drain(grace); }

 private:
  explicit RestListener(const rpc::TlsFiles& tls) : tls_(tls) {}
  void Export(obs::Registry& registry);
  const rpc::TlsFiles tls_;
  std::string stamp_;  // of the files in use
  std::unique_ptr<rest::RestDoor> door_;
  std::unique_ptr<http::HttpServer> server_;  // gone before the door
  std::vector<std::unique_ptr<obs::GaugeFunction>> meters_;  // of the server's counters: gone before it
};

}  // namespace flattone::session
