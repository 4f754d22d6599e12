// Cards from the vault over CardReleaseService, sealed to a key pair that lives and dies with this process.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "libs/crypto/x25519.h"
#include "services/gateway-adapter/card/card_source.h"

namespace grpc {
class Channel;
}

namespace flattone::gateway {

class VaultCards final : public CardSource {
 public:
  // `dial` makes a channel to a vault replica, its identity pinned. `fallback`: the vault's address for attempts that name
  // no replica. RESOURCE_EXHAUSTED when no locked memory is left for the key.
  using Dial = std::function<std::shared_ptr<grpc::Channel>(const std::string& address)>;
  static absl::StatusOr<std::unique_ptr<VaultCards>> Create(Random& random, Dial dial, std::string fallback);

  absl::StatusOr<OpenedCard> Open(const Attempt& attempt, bool security_code_required) override;
  absl::Status Wipe(const Attempt& attempt, bool destroy) override;

 private:
  VaultCards(crypto::X25519KeyPair key, Random& random, Dial dial, std::string fallback)
      : key_(std::move(key)), random_(random), dial_(std::move(dial)), fallback_(std::move(fallback)) {}
  std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address);
  // Asks the replica that the attempt names and, when nobody answers there, the vault's common address: a number can be
  // opened and destroyed by every replica, and a code died with the one that held it.
  absl::Status AtVault(const Attempt& attempt, const std::function<absl::Status(const std::shared_ptr<grpc::Channel>&)>& ask);

  const crypto::X25519KeyPair key_;
  Random& random_;
  const Dial dial_;
  const std::string fallback_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;  // at most kMaxReplicas
};

}  // namespace flattone::gateway
