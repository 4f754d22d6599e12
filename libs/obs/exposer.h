// Serves a Registry to Prometheus over HTTP at /metrics, on a port of its own.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/obs/metrics.h"

namespace flattone::obs {

class Exposer {
 public:
  // Binds `address` ("127.0.0.1:9100", "[::1]:0"; port 0 lets the kernel choose). Fails with the address in the
  // message when it cannot be bound. `registry` must outlive the exposer's scrapes only by its shared store.
  static absl::StatusOr<std::unique_ptr<Exposer>> Start(std::string_view address, const Registry& registry);
  ~Exposer();

  // The port that is really bound.
  int port() const { return port_; }

 private:
  struct Impl;
  explicit Exposer(std::unique_ptr<Impl> impl, int port);
  std::unique_ptr<Impl> impl_;
  int port_;
};

}  // namespace flattone::obs
