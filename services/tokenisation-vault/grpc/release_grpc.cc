#include "services/tokenisation-vault/grpc/release_grpc.h"

#include "services/tokenisation-vault/grpc/call.h"
#include "services/tokenisation-vault/grpc/convert.h"

namespace flattone::vault {

grpc::Status CardReleaseGrpcService::OpenCard(grpc::ServerContext* context, const v1::OpenCardRequest* request,
                                              v1::OpenCardResponse* response) {
  if (auto s = CheckId("attempt_id", request->attempt_id(), "att"); !s.ok()) return rpc::ToGrpc(s, context);
  auto recipient = crypto::ParsePublicKey("recipient_key", request->recipient_key());
  if (!recipient.ok()) return rpc::ToGrpc(recipient.status(), context);
  const rpc::CallInfo info = rpc::InfoOf(*context, random_);
  auto card = cards_.Open({request->tenant_id(), request->token_id(), request->attempt_id()}, *recipient,
                          request->security_code_required(), CallerOf(info));
  log_.Info(info.trace, "card asked for", {{"token", request->token_id()}, {"attempt", request->attempt_id()}, {"result", ResultOf(card.status())}});
  if (!card.ok()) return rpc::ToGrpc(card.status(), context);
  response->set_sealed_card(std::move(card->sealed));
  response->set_brand(ToProto(card->row.brand, true));
  response->set_last_four(card->row.last_four);
  response->set_bin(card->row.bin);
  return grpc::Status::OK;
}

grpc::Status CardReleaseGrpcService::Wipe(grpc::ServerContext* context, const v1::WipeRequest* request, v1::WipeResponse* response) {
  const rpc::CallInfo info = rpc::InfoOf(*context, random_);
  auto held = cards_.Wipe(request->tenant_id(), request->token_id(), request->destroy_card(), CallerOf(info));
  log_.Info(info.trace, "card wiped", {{"token", request->token_id()}, {"destroyed", request->destroy_card()}, {"result", ResultOf(held.status())}});
  if (!held.ok()) return rpc::ToGrpc(held.status(), context);
  response->set_security_code_was_held(*held);
  return grpc::Status::OK;
}

}  // namespace flattone::vault
