#include "services/tokenisation-vault/grpc/intake_grpc.h"

#include "services/tokenisation-vault/grpc/call.h"

namespace flattone::vault {

grpc::Status KeyIntakeGrpcService::GetCaptureKey(grpc::ServerContext* context, const v1::GetCaptureKeyRequest* request,
                                                 v1::GetCaptureKeyResponse* response) {
  crypto::PublicKey key{};
  auto first = captures_.BeginEpoch(request->tenant_id(), request->capture_id(), request->masker_epoch(), &key);
  log_.Info(rpc::InfoOf(*context, random_).trace, "capture key asked for",
            {{"capture", request->capture_id()}, {"epoch", request->masker_epoch()}, {"result", ResultOf(first.status())}});
  if (!first.ok()) return rpc::ToGrpc(first.status(), context);
  response->set_public_key(key.data(), key.size());
  response->set_first_ordinal(*first);
  return grpc::Status::OK;
}

grpc::Status KeyIntakeGrpcService::SubmitKey(grpc::ServerContext* context, const v1::SubmitKeyRequest* request,
                                             v1::SubmitKeyResponse* response) {
  auto outcome = captures_.TakeKey(request->tenant_id(), request->capture_id(),
                                   {request->masker_epoch(), request->ordinal(), request->rtp_onset(), request->sealed_key()},
                                   CallerOf(*context, random_));
  if (!outcome.ok()) return rpc::ToGrpc(outcome.status(), context);
  response->set_next_ordinal(outcome->next_ordinal);
  response->set_taken(outcome->taken);
  return grpc::Status::OK;
}

}  // namespace flattone::vault
