#include "services/dtmf-masking/grpc/grpc_vault_link.h"

#include <utility>

#include "libs/obs/trace.h"
#include "libs/rpc/call.h"
#include "libs/rpc/status.h"

namespace flattone::masking {

template <typename Response>
class GrpcVaultLink::Call final : public Operation {
 public:
  using Reader = grpc::ClientAsyncResponseReader<Response>;
  using Ended = std::function<void(const absl::Status&, const Response&)>;

  Call(GrpcVaultLink& link, const CaptureRef& capture, absl::Duration timeout, Ended ended)
      : link_(link), ended_(std::move(ended)) {
    const auto trace = obs::TraceContext::Parse(capture.traceparent).value_or(obs::TraceContext());
    rpc::Prepare(context, {.trace = trace.Child(link.random_), .timeout = timeout});
    ++link_.outstanding_;
  }
  void Begin(std::unique_ptr<Reader> reader) {
    reader_ = std::move(reader);
    reader_->Finish(&response_, &status_, this);
  }
  void Done(bool) override {
    --link_.outstanding_;
    ended_(rpc::FromGrpc(status_), response_);
    delete this;
  }

  grpc::ClientContext context;

 private:
  GrpcVaultLink& link_;
  const Ended ended_;
  std::unique_ptr<Reader> reader_;
  Response response_;
  grpc::Status status_;
};

void GrpcVaultLink::After(absl::Duration delay, std::function<void()> run) {
  ++outstanding_;
  const bool set = loop_.After(delay, [this, run = std::move(run)] {
    --outstanding_;
    run();
  });
  if (!set) --outstanding_;
}

void GrpcVaultLink::GetCaptureKey(const CaptureRef& capture, absl::Duration timeout, KeyDone done) {
  if (loop_.stopped()) return done(absl::CancelledError("the masker has stopped"), {});
  using Response = vault::v1::GetCaptureKeyResponse;
  vault::v1::GetCaptureKeyRequest request;
  request.set_tenant_id(capture.tenant_id);
  request.set_capture_id(capture.capture_id);
  request.set_masker_epoch(capture.epoch);
  auto* call = new Call<Response>(*this, capture, timeout, [done = std::move(done)](const absl::Status& status, const Response& r) {
    done(status, {r.public_key(), r.first_ordinal() == 0 ? 1 : r.first_ordinal()});
  });
  call->Begin(stub_->AsyncGetCaptureKey(&call->context, request, loop_.queue()));
}

void GrpcVaultLink::SubmitKey(const CaptureRef& capture, const SealedKey& key, absl::Duration timeout, SubmitDone done) {
  if (loop_.stopped()) return done(absl::CancelledError("the masker has stopped"));
  using Response = vault::v1::SubmitKeyResponse;
  vault::v1::SubmitKeyRequest request;
  request.set_tenant_id(capture.tenant_id);
  request.set_capture_id(capture.capture_id);
  request.set_masker_epoch(capture.epoch);
  request.set_ordinal(key.ordinal);
  request.set_rtp_onset(key.onset);
  request.set_sealed_key(key.sealed);
  auto* call = new Call<Response>(*this, capture, timeout,
                                  [done = std::move(done)](const absl::Status& status, const Response&) { done(status); });
  call->Begin(stub_->AsyncSubmitKey(&call->context, request, loop_.queue()));
}

}  // namespace flattone::masking
