#include "services/gateway-adapter/grpc/vault_cards.h"

#include <grpcpp/grpcpp.h>

#include "flattone/vault/v1/vault.grpc.pb.h"
#include "libs/rpc/call.h"
#include "libs/rpc/status.h"

namespace flattone::gateway {
namespace {

constexpr size_t kMaxReplicas = 64;
constexpr absl::Duration kTimeOut = absl::Seconds(5);

}  // namespace

absl::StatusOr<std::unique_ptr<VaultCards>> VaultCards::Create(Random& random, Dial dial, std::string fallback) {
  auto key = crypto::X25519KeyPair::Create(random);
  if (!key.ok()) return key.status();
  return std::unique_ptr<VaultCards>(new VaultCards(std::move(*key), random, std::move(dial), std::move(fallback)));
}

std::shared_ptr<grpc::Channel> VaultCards::ChannelTo(const std::string& address) {
  std::lock_guard lock(mutex_);
  const auto found = channels_.find(address);
  if (found != channels_.end()) return found->second;
  // Replicas come and go; what is still in use keeps its channel by the shared pointer.
  if (channels_.size() >= kMaxReplicas) channels_.clear();
  return channels_[address] = dial_(address);
}

absl::Status VaultCards::AtVault(const Attempt& attempt, const std::function<absl::Status(const std::shared_ptr<grpc::Channel>&)>& ask) {
  const std::string& named = attempt.vault_address.empty() ? fallback_ : attempt.vault_address;
  absl::Status status = ask(ChannelTo(named));
  const bool silent = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  return silent && named != fallback_ ? ask(ChannelTo(fallback_)) : status;
}

absl::StatusOr<OpenedCard> VaultCards::Open(const Attempt& attempt, bool security_code_required) {
  vault::v1::OpenCardRequest request;
  request.set_tenant_id(attempt.tenant_id);
  request.set_token_id(attempt.token_id);
  request.set_attempt_id(attempt.attempt_id);
  const crypto::PublicKey& key = key_.public_key();
  request.set_recipient_key(std::string(key.begin(), key.end()));
  request.set_security_code_required(security_code_required);
  vault::v1::OpenCardResponse response;
  const absl::Status status = AtVault(attempt, [&](const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    rpc::Prepare(context, {.trace = TraceOf(attempt).Child(random_), .timeout = kTimeOut});
    context.set_wait_for_ready(true);  // a vault that is just being restarted is waited for: nothing has been sent anywhere yet
    return rpc::FromGrpc(vault::v1::CardReleaseService::NewStub(channel)->OpenCard(&context, request, &response));
  });
  if (!status.ok()) return status;
  auto card = crypto::OpenCard(key_, {attempt.tenant_id, attempt.token_id, attempt.attempt_id}, response.sealed_card());
  if (!card.ok()) return card.status();
  return OpenedCard{std::move(*card), static_cast<int>(response.brand()), response.last_four()};
}

absl::Status VaultCards::Wipe(const Attempt& attempt, bool destroy) {
  vault::v1::WipeRequest request;
  request.set_tenant_id(attempt.tenant_id);
  request.set_token_id(attempt.token_id);
  request.set_attempt_id(attempt.attempt_id);
  request.set_destroy_card(destroy);
  vault::v1::WipeResponse response;
  return AtVault(attempt, [&](const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    rpc::Prepare(context, {.trace = TraceOf(attempt).Child(random_), .timeout = kTimeOut});
    return rpc::FromGrpc(vault::v1::CardReleaseService::NewStub(channel)->Wipe(&context, request, &response));
  });
}

}  // namespace flattone::gateway
