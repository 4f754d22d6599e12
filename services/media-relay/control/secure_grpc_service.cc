#include "services/media-relay/control/secure_grpc_service.h"

#include "libs/rpc/call.h"
#include "libs/rpc/status.h"
#include "services/media-relay/control/mapping.h"

namespace flattone::relay {
namespace {

namespace media = flattone::media::v1;

grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(rpc::ToGrpc(status, context));
  return reactor;
}

}  // namespace

SecureGrpcService::SecureGrpcService(CallTable& calls, std::string relay_id, Random& random)
    : calls_(calls), relay_id_(std::move(relay_id)), random_(random) {}

grpc::ServerUnaryReactor* SecureGrpcService::FindCall(grpc::CallbackServerContext* context,
                                                      const media::FindCallRequest* request,
                                                      media::FindCallResponse* response) {
  auto view = calls_.Find(request->tenant_id(), request->call_reference());
  if (view.ok()) *response->mutable_call() = ToProto(*view, relay_id_);
  return Finish(context, view.status());
}

grpc::ServerUnaryReactor* SecureGrpcService::StartSecure(grpc::CallbackServerContext* context,
                                                         const media::StartSecureRequest* request,
                                                         media::StartSecureResponse* response) {
  SecureRequest start{.tenant_id = request->tenant_id(), .call_id = request->call_id(), .capture_id = request->capture_id(),
                      .vault_address = request->vault_address(), .tone = {}, .trace = rpc::InfoOf(*context, random_).trace};
  start.tone = {.frequency_hz = request->flat_tone().frequency_hz(),
                .level_tenth_dbm0 = request->flat_tone().level_tenth_dbm0(),
                .duration_ms = request->flat_tone().duration_ms()};
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  calls_.StartSecure(start, [context, reactor, response](absl::StatusOr<SecureReply> reply) {
    if (reply.ok()) {
      response->set_state(ToProto(reply->mode));
      response->set_codec(reply->codec);
    }
    reactor->Finish(rpc::ToGrpc(reply.status(), context));
  });
  return reactor;
}

grpc::ServerUnaryReactor* SecureGrpcService::StopSecure(grpc::CallbackServerContext* context,
                                                        const media::StopSecureRequest* request,
                                                        media::StopSecureResponse* response) {
  auto mode = calls_.StopSecure(request->tenant_id(), request->call_id(), request->capture_id());
  if (mode.ok()) response->set_state(ToProto(*mode));
  return Finish(context, mode.status());
}

grpc::ServerUnaryReactor* SecureGrpcService::GetSecureState(grpc::CallbackServerContext* context,
                                                            const media::GetSecureStateRequest* request,
                                                            media::GetSecureStateResponse* response) {
  auto view = calls_.Get(request->tenant_id(), request->call_id());
  if (view.ok()) {
    response->set_state(ToProto(view->mode));
    response->set_capture_id(view->capture_id);
    *response->mutable_statistics() = StatisticsOf(*view);
  }
  return Finish(context, view.status());
}

}  // namespace flattone::relay
