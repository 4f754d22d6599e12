#include "services/session-orchestration/grpc/session_grpc_service.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "libs/base/error.h"
#include "libs/rpc/call.h"
#include "libs/rpc/status.h"

namespace flattone::session {
namespace {

constexpr char kPrefix[] = "flattone.session.v1.SessionService.";
constexpr char kBearer[] = "Bearer ";

struct Bell {
  std::mutex mutex;
  std::condition_variable rung;
  bool ringing = false;
};

}  // namespace

CallContext SessionGrpcService::ContextOf(const grpc::ServerContext& context) {
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
  const rpc::CallInfo info = rpc::InfoOf(context, random_);
  call.traceparent = info.trace.Traceparent();
  call.remote_address = info.peer;
  return call;
}

grpc::Status SessionGrpcService::Unary(grpc::ServerContext* context, const char* name, const google::protobuf::Message& request,
                                       google::protobuf::Message* response) {
  auto answer = dispatcher_.Call(std::string(kPrefix) + name, request, ContextOf(*context));
  if (!answer.ok()) return rpc::ToGrpc(answer.status(), context);
  response->GetReflection()->Swap(response, answer->get());
  return grpc::Status::OK;
}

grpc::Status SessionGrpcService::Stream(grpc::ServerContext* context, const char* name, const google::protobuf::Message& request,
                                        grpc::ServerWriter<v1::Event>* writer) {
  struct Seat {
    std::atomic<int>& count;
    ~Seat() { --count; }
  };
  const bool full = ++streams_ > max_streams_;
  const Seat seat{streams_};
  if (full) {
    return rpc::ToGrpc(Refusal(absl::StatusCode::kResourceExhausted,
                               {.code = "too_many_streams", .field = {}, .limit = std::to_string(max_streams_) + " streams per replica", .fix = "use server-sent events, or fewer streams"},
                               "too many gRPC event streams"),
                       context);
  }
  auto stream = dispatcher_.OpenStream(std::string(kPrefix) + name, request, {}, ContextOf(*context));
  if (!stream.ok()) return rpc::ToGrpc(stream.status(), context);
  while (!context->IsCancelled()) {
    if (ending_) return rpc::ToGrpc(absl::UnavailableError("this replica is shutting down; resume at another"), context);
    std::vector<StreamItem> items;
    const absl::Status polled = (*stream)->Poll(64, &items);
    for (const StreamItem& item : items) {
      if (!writer->Write(static_cast<const v1::Event&>(*item.message))) return grpc::Status::CANCELLED;
    }
    if (polled.code() == absl::StatusCode::kOutOfRange) return grpc::Status::OK;
    if (!polled.ok()) return rpc::ToGrpc(polled, context);
    auto bell = std::make_shared<Bell>();
    (*stream)->OnReady([bell] {
      std::lock_guard lock(bell->mutex);
      bell->ringing = true;
      bell->rung.notify_one();
    });
    std::unique_lock lock(bell->mutex);
    bell->rung.wait_for(lock, std::chrono::milliseconds(500), [&] { return bell->ringing; });
  }
  return grpc::Status::CANCELLED;
}

}  // namespace flattone::session
