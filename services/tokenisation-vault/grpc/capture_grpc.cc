#include "services/tokenisation-vault/grpc/capture_grpc.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/tokenisation-vault/grpc/call.h"
#include "services/tokenisation-vault/grpc/convert.h"
#include "services/tokenisation-vault/grpc/watcher.h"

namespace flattone::vault {
namespace {

constexpr int64_t kLeastTtl = 60, kMostTtl = 157'680'000;

absl::Status CheckOpen(const v1::OpenCaptureRequest& request) {
  if (auto s = CheckId("tenant_id", request.tenant_id(), "ten"); !s.ok()) return s;
  if (auto s = CheckId("capture_id", request.capture_id(), "cap"); !s.ok()) return s;
  if (auto s = CheckId("session_id", request.session_id(), "ses"); !s.ok()) return s;
  return request.token_id().empty() ? absl::OkStatus() : CheckId("token_id", request.token_id(), "tok");
}

}  // namespace

grpc::Status CaptureGrpcService::OpenCapture(grpc::ServerContext* context, const v1::OpenCaptureRequest* request,
                                             v1::OpenCaptureResponse* response) {
  if (auto status = CheckOpen(*request); !status.ok()) return rpc::ToGrpc(status, context);
  auto rules = RulesFrom(request->rules(), !request->token_id().empty());
  if (!rules.ok()) return rpc::ToGrpc(rules.status(), context);
  auto entry = captures_.Open({request->tenant_id(), request->capture_id(), request->session_id(), request->token_id()}, *std::move(rules));
  log_.Info(rpc::InfoOf(*context, random_).trace, "capture asked for", {{"capture", request->capture_id()}, {"result", ResultOf(entry.status())}});
  if (!entry.ok()) return rpc::ToGrpc(entry.status(), context);
  auto& handle = *response->mutable_handle();
  handle.set_capture_id(request->capture_id());
  handle.set_vault_address(captures_.self().address);
  handle.set_replica_id(captures_.self().id);
  *response->mutable_status() = ToProto(request->capture_id(), (*entry)->progress());
  return grpc::Status::OK;
}

grpc::Status CaptureGrpcService::GetCapture(grpc::ServerContext* context, const v1::GetCaptureRequest* request,
                                            v1::CaptureStatus* out) {
  auto entry = captures_.Find(request->tenant_id(), request->capture_id());
  if (!entry.ok()) return rpc::ToGrpc(entry.status(), context);
  *out = ToProto(request->capture_id(), (*entry)->progress());
  return grpc::Status::OK;
}

grpc::ServerWriteReactor<v1::CaptureStatus>* CaptureGrpcService::WatchCapture(grpc::CallbackServerContext* context,
                                                                              const v1::WatchCaptureRequest* request) {
  return WatchOf(captures_.Find(request->tenant_id(), request->capture_id()), context);
}

template <typename Request>
grpc::Status CaptureGrpcService::Act(grpc::ServerContext* context, const Request& request, v1::CaptureStatus* out,
                                     absl::Status (Capture::*action)(Field, int, Moment)) {
  auto field = FieldFrom(request.field(), "field");
  if (!field.ok()) return rpc::ToGrpc(field.status(), context);
  auto entry = captures_.Find(request.tenant_id(), request.capture_id());
  if (!entry.ok()) return rpc::ToGrpc(entry.status(), context);
  const int expected = static_cast<int>(std::min(request.expected_count(), 1000u));
  const auto status = (*entry)->With([&](Capture& live) -> absl::Status {
    auto done = (live.*action)(*field, expected, captures_.registry().now());
    if (done.ok()) *out = ToProto(request.capture_id(), live.progress());
    return done;
  });
  return rpc::ToGrpc(status, context);
}

grpc::Status CaptureGrpcService::RestartField(grpc::ServerContext* context, const v1::RestartFieldRequest* request,
                                              v1::CaptureStatus* out) {
  return Act(context, *request, out, &Capture::RestartField);
}

grpc::Status CaptureGrpcService::UndoKey(grpc::ServerContext* context, const v1::UndoKeyRequest* request, v1::CaptureStatus* out) {
  return Act(context, *request, out, &Capture::UndoKey);
}

grpc::Status CaptureGrpcService::SubmitField(grpc::ServerContext* context, const v1::SubmitFieldRequest* request,
                                             v1::CaptureStatus* out) {
  return Act(context, *request, out, &Capture::SubmitField);
}

grpc::Status CaptureGrpcService::CancelCapture(grpc::ServerContext* context, const v1::CancelCaptureRequest* request,
                                               v1::CaptureStatus* out) {
  const rpc::CallInfo info = rpc::InfoOf(*context, random_);
  auto progress = captures_.Cancel(request->tenant_id(), request->capture_id(), CallerOf(info));
  log_.Info(info.trace, "capture cancelled", {{"capture", request->capture_id()}, {"result", ResultOf(progress.status())}});
  if (progress.ok()) *out = ToProto(request->capture_id(), *progress);
  return rpc::ToGrpc(progress.status(), context);
}

grpc::Status CaptureGrpcService::Tokenise(grpc::ServerContext* context, const v1::TokeniseRequest* request,
                                          v1::TokeniseResponse* response) {
  auto purpose = PurposeFrom(request->purpose());
  if (!purpose.ok()) return rpc::ToGrpc(purpose.status(), context);
  const int64_t ttl = request->ttl_seconds();
  if (ttl != 0 && (ttl < kLeastTtl || ttl > kMostTtl)) {
    return rpc::ToGrpc(InvalidField("ttl_seconds", absl::StrCat("is ", ttl), "0, or from 60 to 157680000"), context);
  }
  const rpc::CallInfo info = rpc::InfoOf(*context, random_);
  auto row = captures_.Tokenise(request->tenant_id(), request->capture_id(), *purpose, absl::Seconds(ttl), CallerOf(info));
  log_.Info(info.trace, "card tokenised", {{"capture", request->capture_id()}, {"result", ResultOf(row.status())}});
  if (row.ok()) *response->mutable_token() = ToProto(*row, codes_.Has(row->token));
  return rpc::ToGrpc(row.status(), context);
}

}  // namespace flattone::vault
