#include "services/session-orchestration/grpc/session_grpc_service.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "libs/base/error.h"
#include "libs/rpc/status.h"
#include "services/session-orchestration/grpc/public_call.h"

namespace flattone::session {
namespace {

constexpr char kPrefix[] = "flattone.session.v1.SessionService.";

struct Bell {
  std::mutex mutex;
  std::condition_variable rung;
  bool ringing = false;
};

}  // namespace

grpc::Status SessionGrpcService::Unary(grpc::ServerContext* context, const char* name, const google::protobuf::Message& request,
                                       google::protobuf::Message* response) {
  return PublicUnary(dispatcher_, random_, context, std::string(kPrefix) + name, request, response);
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
  auto stream = dispatcher_.OpenStream(std::string(kPrefix) + name, request, {}, PublicContextOf(*context, random_));
  if (absl::IsOutOfRange(stream.status())) return grpc::Status::OK;
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
