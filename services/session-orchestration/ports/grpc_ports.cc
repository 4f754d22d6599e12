#include "services/session-orchestration/ports/grpc_ports.h"

#include <algorithm>
#include <condition_variable>

#include <grpcpp/grpcpp.h>

#include "flattone/gateway/v1/gateway.grpc.pb.h"
#include "flattone/media/v1/media.grpc.pb.h"
#include "flattone/vault/v1/vault.grpc.pb.h"
#include "libs/base/error.h"
#include "libs/obs/trace.h"
#include "libs/rpc/call.h"
#include "libs/rpc/status.h"

namespace flattone::session {
namespace {

// One unary call: `method` of a stub made for it.
template <typename Service, typename Request, typename Response>
absl::StatusOr<Response> Ask(const std::shared_ptr<grpc::Channel>& channel, Random& random, const CallMeta& meta, const Request& request,
                             grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*)) {
  grpc::ClientContext context;
  const obs::TraceContext trace = obs::TraceContext::Parse(meta.traceparent).value_or(obs::TraceContext());
  rpc::Prepare(context, {.trace = trace.Child(random), .timeout = meta.timeout});
  if (meta.attended) rpc::AwaitReady(*channel, std::min(rpc::kReconnect, meta.timeout));
  typename Service::Stub stub(channel);
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return rpc::FromGrpc(status);
  return response;
}

class GrpcRelays final : public RelayPort {
 public:
  using Service = media::v1::SecureMediaService;
  GrpcRelays(Channels::Dial dial, Random& random) : channels_(std::move(dial)), random_(random) {}
  absl::StatusOr<media::v1::FindCallResponse> FindCall(const std::string& address, const media::v1::FindCallRequest& request, const CallMeta& meta) override {
    return Ask<Service>(channels_.At(address), random_, meta, request, &Service::Stub::FindCall);
  }
  absl::StatusOr<media::v1::StartSecureResponse> StartSecure(const std::string& address, const media::v1::StartSecureRequest& request, const CallMeta& meta) override {
    return Ask<Service>(channels_.At(address), random_, meta, request, &Service::Stub::StartSecure);
  }
  absl::StatusOr<media::v1::StopSecureResponse> StopSecure(const std::string& address, const media::v1::StopSecureRequest& request, const CallMeta& meta) override {
    return Ask<Service>(channels_.At(address), random_, meta, request, &Service::Stub::StopSecure);
  }

 private:
  Channels channels_;
  Random& random_;
};

// A stream read by gRPC's callback threads.
class GrpcWatch final : public Watch, public grpc::ClientReadReactor<vault::v1::CaptureStatus> {
 public:
  GrpcWatch(std::shared_ptr<grpc::Channel> channel, vault::v1::WatchCaptureRequest request, VaultPort::OnStatus status, VaultPort::OnEnd end)
      : stub_(std::move(channel)), request_(std::move(request)), status_(std::move(status)), end_(std::move(end)) {
    rpc::Prepare(context_, {.trace = {}, .timeout = absl::InfiniteDuration()});
    stub_.async()->WatchCapture(&context_, &request_, this);
    StartRead(&message_);
    StartCall();
  }
  ~GrpcWatch() override {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return done_; });
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    status_(message_);
    StartRead(&message_);
  }
  void OnDone(const grpc::Status& status) override {
    end_(rpc::FromGrpc(status));
    std::lock_guard lock(mutex_);
    done_ = true;
    ended_.notify_all();
  }

 private:
  vault::v1::CaptureService::Stub stub_;
  grpc::ClientContext context_;
  const vault::v1::WatchCaptureRequest request_;
  vault::v1::CaptureStatus message_;
  const VaultPort::OnStatus status_;
  const VaultPort::OnEnd end_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
};

// A replica that is draining or full has opened nothing; another may have room.
bool AnotherMayOpen(const absl::Status& status) {
  const auto detail = DetailOf(status);
  return detail.has_value() && (detail->code == "draining" || detail->code == "vault_full");
}

class GrpcVault final : public VaultPort {
 public:
  using Service = vault::v1::CaptureService;
  GrpcVault(Channels::Dial dial, std::string any, Random& random) : channels_(std::move(dial)), any_(std::move(any)), random_(random) {}
  absl::StatusOr<vault::v1::OpenCaptureResponse> OpenCapture(const vault::v1::OpenCaptureRequest& request, const CallMeta& meta) override {
    for (int more = kOpenTries - 1;; --more) {  // the channel goes round the replicas
      auto opened = Ask<Service>(channels_.At(any_), random_, meta, request, &Service::Stub::OpenCapture);
      if (opened.ok() || more == 0 || !AnotherMayOpen(opened.status())) return opened;
    }
  }
  absl::StatusOr<vault::v1::CaptureStatus> RestartField(const std::string& address, const vault::v1::RestartFieldRequest& request, const CallMeta& meta) override {
    return Ask<Service>(channels_.At(address), random_, meta, request, &Service::Stub::RestartField);
  }
  absl::StatusOr<vault::v1::CaptureStatus> UndoKey(const std::string& address, const vault::v1::UndoKeyRequest& request, const CallMeta& meta) override {
    return Ask<Service>(channels_.At(address), random_, meta, request, &Service::Stub::UndoKey);
  }
  absl::StatusOr<vault::v1::CaptureStatus> SubmitField(const std::string& address, const vault::v1::SubmitFieldRequest& request, const CallMeta& meta) override {
    return Ask<Service>(channels_.At(address), random_, meta, request, &Service::Stub::SubmitField);
  }
  absl::StatusOr<vault::v1::CaptureStatus> CancelCapture(const std::string& address, const vault::v1::CancelCaptureRequest& request, const CallMeta& meta) override {
    return Ask<Service>(channels_.At(address), random_, meta, request, &Service::Stub::CancelCapture);
  }
  absl::StatusOr<vault::v1::TokeniseResponse> Tokenise(const std::string& address, const vault::v1::TokeniseRequest& request, const CallMeta& meta) override {
    return Ask<Service>(channels_.At(address), random_, meta, request, &Service::Stub::Tokenise);
  }
  std::unique_ptr<Watch> WatchCapture(const std::string& address, const vault::v1::WatchCaptureRequest& request, OnStatus status, OnEnd end) override {
    return std::make_unique<GrpcWatch>(channels_.At(address), request, std::move(status), std::move(end));
  }

 private:
  static constexpr int kOpenTries = 3;
  Channels channels_;
  const std::string any_;
  Random& random_;
};

class GrpcGateway final : public GatewayPort {
 public:
  using Service = gateway::v1::PaymentGatewayService;
  GrpcGateway(Channels::Dial dial, std::string address, Random& random) : channels_(std::move(dial)), address_(std::move(address)), random_(random) {}
  absl::StatusOr<gateway::v1::Attempt> Authorise(const gateway::v1::AuthoriseRequest& request, const CallMeta& meta) override {
    return Ask<Service>(channels_.At(address_), random_, meta, request, &Service::Stub::Authorise);
  }
  absl::StatusOr<gateway::v1::Attempt> CapturePayment(const gateway::v1::CapturePaymentRequest& request, const CallMeta& meta) override {
    return Ask<Service>(channels_.At(address_), random_, meta, request, &Service::Stub::CapturePayment);
  }
  absl::StatusOr<gateway::v1::Attempt> VoidPayment(const gateway::v1::VoidPaymentRequest& request, const CallMeta& meta) override {
    return Ask<Service>(channels_.At(address_), random_, meta, request, &Service::Stub::VoidPayment);
  }
  absl::StatusOr<gateway::v1::Attempt> RefundPayment(const gateway::v1::RefundPaymentRequest& request, const CallMeta& meta) override {
    return Ask<Service>(channels_.At(address_), random_, meta, request, &Service::Stub::RefundPayment);
  }
  absl::StatusOr<gateway::v1::ListOutcomesResponse> ListOutcomes(const gateway::v1::ListOutcomesRequest& request, const CallMeta& meta) override {
    return Ask<Service>(channels_.At(address_), random_, meta, request, &Service::Stub::ListOutcomes);
  }

 private:
  Channels channels_;
  const std::string address_;
  Random& random_;
};

}  // namespace

std::shared_ptr<grpc::Channel> Channels::At(const std::string& address) {
  std::lock_guard lock(mutex_);
  auto found = channels_.find(address);
  if (found != channels_.end()) return found->second;
  for (auto it = channels_.begin(); channels_.size() >= limit_ && it != channels_.end();) {
    it = it->second.use_count() == 1 ? channels_.erase(it) : std::next(it);
  }
  return channels_[address] = dial_(address);
}

std::unique_ptr<RelayPort> MakeGrpcRelays(Channels::Dial dial, Random& random) { return std::make_unique<GrpcRelays>(std::move(dial), random); }
std::unique_ptr<VaultPort> MakeGrpcVault(Channels::Dial dial, std::string any, Random& random) {
  return std::make_unique<GrpcVault>(std::move(dial), std::move(any), random);
}
std::unique_ptr<GatewayPort> MakeGrpcGateway(Channels::Dial dial, std::string address, Random& random) {
  return std::make_unique<GrpcGateway>(std::move(dial), std::move(address), random);
}

}  // namespace flattone::session
