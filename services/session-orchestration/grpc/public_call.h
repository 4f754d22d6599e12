// What the gRPC doors of the public API share: metadata into a CallContext, one unary call through the dispatcher.
#pragma once

#include <string>

#include <grpcpp/grpcpp.h>

#include "libs/base/random.h"
#include "services/session-orchestration/rest/dispatcher.h"

namespace flattone::session {

// The credential as the client sent it, unchecked: `authorization` or `x-api-key`; `flattone-tenant`, `idempotency-key`.
CallContext PublicContextOf(const grpc::ServerContext& context, Random& random);

// `method`: package.Service.Method. `response` has the method's output type.
grpc::Status PublicUnary(RpcDispatcher& dispatcher, Random& random, grpc::ServerContext* context, const std::string& method,
                         const google::protobuf::Message& request, google::protobuf::Message* response);

}  // namespace flattone::session
