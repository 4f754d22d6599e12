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

std::shared_ptr<grpc::Channel> VaultCards::ChannelOf(const Attempt& attempt) {
  const std::string& address = attempt.vault_address.empty() ? fallback_ : attempt.vault_address;
  std::lock_guard lock(mutex_);
  const auto found = channels_.find(address);
  if (found != channels_.end()) return found->second;
  // Replicas come and go; what is still in use keeps its channel by the shared pointer.
  if (channels_.size() >= kMaxReplicas) channels_.clear();
  return channels_[address] = dial_(address);
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
  grpc::ClientContext context;
  rpc::Prepare(context, {.trace = TraceOf(attempt).Child(random_), .timeout = kTimeOut});
  context.set_wait_for_ready(true);  // a vault that is just being restarted is waited for: nothing has been sent anywhere yet
  const grpc::Status status = vault::v1::CardReleaseService::NewStub(ChannelOf(attempt))->OpenCard(&context, request, &response);
  if (!status.ok()) return rpc::FromGrpc(status);
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
  grpc::ClientContext context;
  rpc::Prepare(context, {.trace = TraceOf(attempt).Child(random_), .timeout = kTimeOut});
  return rpc::FromGrpc(vault::v1::CardReleaseService::NewStub(ChannelOf(attempt))->Wipe(&context, request, &response));
}

}  // namespace flattone::gateway
