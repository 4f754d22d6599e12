#include "libs/rpc/status.h"

#include <grpcpp/server_context.h>

#include "flattone/common/v1/common.pb.h"
#include "google/rpc/status.pb.h"
#include "libs/base/error.h"

namespace flattone::rpc {
namespace {

constexpr char kTrailer[] = "flattone-error-bin";
constexpr size_t kMaxMessage = 1000;  // trailers share an 8 KiB limit

common::v1::ErrorDetail ToProto(const ErrorDetail& detail) {
  common::v1::ErrorDetail out;
  out.set_code(detail.code);
  out.set_field(detail.field);
  out.set_limit(detail.limit);
  out.set_fix(detail.fix);
  return out;
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status, grpc::ServerContextBase* context) {
  if (status.ok()) return grpc::Status::OK;
  // The codes of absl and gRPC are the same numbers.
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message(status.message().data(), std::min(status.message().size(), kMaxMessage));
  const auto detail = DetailOf(status);
  if (!detail) return grpc::Status(code, message);
  const auto proto = ToProto(*detail);
  if (context != nullptr) context->AddTrailingMetadata(kTrailer, proto.SerializeAsString());
  google::rpc::Status wire;
  wire.set_code(code);
  wire.set_message(message);
  wire.add_details()->PackFrom(proto);
  return grpc::Status(code, message, wire.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  google::rpc::Status wire;
  common::v1::ErrorDetail detail;
  if (!status.error_details().empty() && wire.ParseFromString(status.error_details())) {
    for (const auto& any : wire.details()) {
      if (any.Is<common::v1::ErrorDetail>() && any.UnpackTo(&detail)) {
        return Refusal(code, {.code = detail.code(), .field = detail.field(), .limit = detail.limit(), .fix = detail.fix()},
                       status.error_message());
      }
    }
  }
  return absl::Status(code, status.error_message());
}

}  // namespace flattone::rpc
