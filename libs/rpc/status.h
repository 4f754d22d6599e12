// absl::Status on our side, grpc::Status on the wire, with the ErrorDetail of libs/base/error.h carried both as
// standard error details (google.rpc.Status in grpc-status-details-bin, which generic clients decode) and as
// the trailer `flattone-error-bin`.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace grpc {
class ClientContext;
class ServerContextBase;
}  // namespace grpc

namespace flattone::rpc {

// For the handler's return value. With `context` also sets the trailer `flattone-error-bin`.
grpc::Status ToGrpc(const absl::Status& status, grpc::ServerContextBase* context = nullptr);

// What a call returned, with its detail. Transport failures come as UNAVAILABLE, as gRPC says them.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace flattone::rpc
