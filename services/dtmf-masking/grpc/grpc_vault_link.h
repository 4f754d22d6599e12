// VaultLink over gRPC, on the event loop: one per vault replica.
#pragma once

#include <memory>

#include "flattone/vault/v1/vault.grpc.pb.h"
#include "libs/base/random.h"
#include "services/dtmf-masking/grpc/event_loop.h"
#include "services/dtmf-masking/keys/vault_link.h"

namespace flattone::masking {

class GrpcVaultLink final : public VaultLink {
 public:
  GrpcVaultLink(EventLoop& loop, const std::shared_ptr<grpc::Channel>& channel, Random& random)
      : loop_(loop), stub_(vault::v1::KeyIntakeService::NewStub(channel)), random_(random) {}

  void GetCaptureKey(const CaptureRef& capture, absl::Duration timeout, KeyDone done) override;
  void SubmitKey(const CaptureRef& capture, const SealedKey& key, absl::Duration timeout, SubmitDone done) override;
  void After(absl::Duration delay, std::function<void()> run) override;
  // Calls and timers that have not ended.
  int outstanding() const { return outstanding_; }

 private:
  template <typename Response>
  class Call;

  EventLoop& loop_;
  std::unique_ptr<vault::v1::KeyIntakeService::Stub> stub_;
  Random& random_;
  int outstanding_ = 0;
};

}  // namespace flattone::masking
