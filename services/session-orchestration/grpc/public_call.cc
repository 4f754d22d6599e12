#include "services/session-orchestration/grpc/public_call.h"

#include <google/protobuf/message.h>

#include "libs/rpc/call.h"
#include "libs/rpc/status.h"

namespace flattone::session {
namespace {

constexpr char kBearer[] = "Bearer ";

}  // namespace

CallContext PublicContextOf(const grpc::ServerContext& context, Random& random) {
  CallContext call;
  const std::string authorization = rpc::MetadataOf(context, "authorization");
  if (authorization.rfind(kBearer, 0) == 0) {
    call.credential_kind = CallContext::Credential::kBearer;
    call.credential = authorization.substr(sizeof(kBearer) - 1);
  } else if (call.credential = rpc::MetadataOf(context, "x-api-key"); !call.credential.empty()) {
    call.credential_kind = CallContext::Credential::kApiKey;
  }
  call.acting_tenant = rpc::MetadataOf(context, "flattone-tenant");
  call.idempotency_key = rpc::MetadataOf(context, "idempotency-key");
  const rpc::CallInfo info = rpc::InfoOf(context, random);
  call.traceparent = info.trace.Traceparent();
  call.remote_address = info.peer;
  return call;
}

grpc::Status PublicUnary(RpcDispatcher& dispatcher, Random& random, grpc::ServerContext* context, const std::string& method,
                         const google::protobuf::Message& request, google::protobuf::Message* response) {
  auto answer = dispatcher.Call(method, request, PublicContextOf(*context, random));
  if (!answer.ok()) return rpc::ToGrpc(answer.status(), context);
  response->GetReflection()->Swap(response, answer->get());
  return grpc::Status::OK;
}

}  // namespace flattone::session
