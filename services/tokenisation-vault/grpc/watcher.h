// One open WatchCapture stream: always the newest status, never a queue. A slow reader misses steps between, not
// the end.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "absl/status/statusor.h"
#include "flattone/vault/v1/vault.pb.h"
#include "services/tokenisation-vault/service/registry.h"

namespace flattone::vault {

// The reactor for the stream, which deletes itself; for an error one that ends with it.
grpc::ServerWriteReactor<v1::CaptureStatus>* WatchOf(absl::StatusOr<CaptureRegistry::Entry> entry, grpc::CallbackServerContext* context);

}  // namespace flattone::vault
