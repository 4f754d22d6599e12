// MaskingService on the event loop: accepts relays' streams, reads one batch at a time, writes the answers of a
// batch at once (and what came meanwhile with the next). A relay that does not read is not read from.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "flattone/masking/v1/masking.grpc.pb.h"
#include "services/dtmf-masking/grpc/event_loop.h"
#include "services/dtmf-masking/grpc/grpc_vault_link.h"
#include "services/dtmf-masking/grpc/relay_stream.h"

namespace flattone::masking {

class MaskServer {
 public:
  using Dial = std::function<std::shared_ptr<grpc::Channel>(const std::string& address)>;
  static constexpr size_t kMostIdleVaults = 64;

  MaskServer(StreamLimits limits, const Clock& clock, Random& random, obs::Logger& log, obs::Registry& registry, Dial dial);
  ~MaskServer();

  // For the server's builder: register it, and give its queue here before BuildAndStart.
  grpc::Service* service() { return &service_; }
  void UseQueue(std::unique_ptr<grpc::ServerCompletionQueue> queue);
  // After BuildAndStart.
  void Start();
  // No further streams and legs; ends the streams with UNAVAILABLE once their answers are written, and waits for
  // keys on the way. Returns when all is done, or at the deadline. Any thread but the loop's.
  void Drain(absl::Time deadline);
  // After the server has shut down.
  void Stop();

 private:
  class Stream;
  void Accept();
  std::shared_ptr<VaultLink> Vault(const std::string& address);
  bool Idle() const;

  Random& random_;
  Meters meters_;
  Shared shared_;
  const Dial dial_;
  v1::MaskingService::AsyncService service_;
  std::unique_ptr<EventLoop> loop_;
  std::map<std::string, std::shared_ptr<GrpcVaultLink>> vaults_;
  std::set<Stream*> streams_;
  bool draining_ = false;
};

}  // namespace flattone::masking
