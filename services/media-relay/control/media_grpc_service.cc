#include "services/media-relay/control/media_grpc_service.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/rpc/call.h"
#include "libs/rpc/status.h"
#include "services/media-relay/control/mapping.h"

namespace flattone::relay {
namespace {

namespace media = flattone::media::v1;
constexpr int kMaxMetadata = 16;
constexpr size_t kMaxMetadataText = 128;

grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(rpc::ToGrpc(status, context));
  return reactor;
}

absl::Status CheckMetadata(const media::OfferRequest& request) {
  if (request.metadata_size() > kMaxMetadata) {
    return InvalidField("metadata", absl::StrCat("has ", request.metadata_size(), " entries"), "at most 16");
  }
  for (const auto& [key, value] : request.metadata()) {
    if (key.size() > kMaxMetadataText || value.size() > kMaxMetadataText) {
      return InvalidField("metadata", "has a longer text", "at most 128 bytes for each key and value");
    }
  }
  return absl::OkStatus();
}

// OfferRequest and AnswerRequest share these fields.
template <typename Request>
absl::StatusOr<SdpRequest> ToSdpRequest(const Request& request, const rpc::CallInfo& info) {
  const auto side = ToSide(request.from(), "from");
  if (!side.ok()) return side.status();
  SdpRequest out{.edge_id = info.caller.edge_id, .tenant_id = request.tenant_id(), .call_reference = request.call_reference(),
                 .from = *side, .sdp = request.sdp(), .learning = {}, .trace = info.trace};
  out.learning.behind_nat = request.learning().behind_nat();
  out.learning.prefixes.assign(request.learning().prefixes().begin(), request.learning().prefixes().end());
  return out;
}

}  // namespace

MediaGrpcService::MediaGrpcService(CallTable& calls, std::string relay_id, Random& random)
    : calls_(calls), relay_id_(std::move(relay_id)), random_(random) {}

grpc::ServerUnaryReactor* MediaGrpcService::Offer(grpc::CallbackServerContext* context, const media::OfferRequest* request,
                                                  media::OfferResponse* response) {
  if (auto status = CheckMetadata(*request); !status.ok()) return Finish(context, status);
  auto offer = ToSdpRequest(*request, rpc::InfoOf(*context, random_));
  if (!offer.ok()) return Finish(context, offer.status());
  auto reply = calls_.Offer(*offer);
  if (!reply.ok()) return Finish(context, reply.status());
  response->set_call_id(reply->call_id);
  response->set_sdp(reply->sdp);
  return Finish(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* MediaGrpcService::Answer(grpc::CallbackServerContext* context, const media::AnswerRequest* request,
                                                   media::AnswerResponse* response) {
  auto answer = ToSdpRequest(*request, rpc::InfoOf(*context, random_));
  if (!answer.ok()) return Finish(context, answer.status());
  auto reply = calls_.Answer(*answer);
  if (!reply.ok()) return Finish(context, reply.status());
  response->set_call_id(reply->call_id);
  response->set_sdp(reply->sdp);
  return Finish(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* MediaGrpcService::DeleteCall(grpc::CallbackServerContext* context,
                                                       const media::DeleteCallRequest* request,
                                                       media::DeleteCallResponse* response) {
  const std::string edge = rpc::InfoOf(*context, random_).caller.edge_id;
  auto view = calls_.Delete(edge, request->tenant_id(), request->call_reference());
  if (view.ok()) *response->mutable_statistics() = StatisticsOf(*view);
  return Finish(context, view.status());
}

grpc::ServerUnaryReactor* MediaGrpcService::QueryCall(grpc::CallbackServerContext* context,
                                                      const media::QueryCallRequest* request,
                                                      media::QueryCallResponse* response) {
  const std::string edge = rpc::InfoOf(*context, random_).caller.edge_id;
  auto view = calls_.Query(edge, request->tenant_id(), request->call_reference());
  if (view.ok()) {
    *response->mutable_call() = ToProto(*view, relay_id_);
    *response->mutable_statistics() = StatisticsOf(*view);
  }
  return Finish(context, view.status());
}

grpc::ServerUnaryReactor* MediaGrpcService::ProtectCall(grpc::CallbackServerContext* context,
                                                        const media::ProtectCallRequest* request,
                                                        media::ProtectCallResponse* response) {
  const rpc::CallInfo info = rpc::InfoOf(*context, random_);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  calls_.Protect(info.caller.edge_id, request->tenant_id(), request->call_reference(), info.trace,
                 [context, reactor, response](absl::StatusOr<SecureReply> reply) {
                   if (reply.ok()) response->set_state(ToProto(reply->mode));
                   reactor->Finish(rpc::ToGrpc(reply.status(), context));
                 });
  return reactor;
}

}  // namespace flattone::relay
