// The whole relay: shards, hop, calls, gRPC services, the line to the orchestrator. Owned by main().
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/media-relay/config.h"

namespace flattone::daemon {
class Process;
}

namespace flattone::relay {

class Relay {
 public:
  // Builds the parts and adds the services to the process. InvalidField names a setting that cannot be used.
  static absl::StatusOr<std::unique_ptr<Relay>> Create(const Config& config, daemon::Process& process);
  ~Relay();

  absl::Status Start();
  // New calls are refused; returns when the last call has ended or at the deadline, when the rest are ended.
  void Drain(absl::Time deadline);
  void Stop();

 private:
  struct Parts;
  explicit Relay(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace flattone::relay
