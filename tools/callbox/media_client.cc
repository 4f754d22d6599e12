#include "tools/callbox/media_client.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/channel.h>

#include "flattone/media/v1/media.grpc.pb.h"
#include "libs/obs/trace.h"
#include "libs/rpc/call.h"
#include "libs/rpc/credentials.h"
#include "libs/rpc/identity.h"
#include "libs/rpc/status.h"

namespace flattone::call {

namespace media = ::flattone::media::v1;

struct MediaClient::Stub {
  std::unique_ptr<media::MediaService::Stub> service;
};

namespace {

void PrepareCall(grpc::ClientContext& context) {
  rpc::Prepare(context, {.trace = obs::TraceContext::New(SystemRandom()), .timeout = absl::Seconds(20)});
}

}  // namespace

MediaClient::MediaClient(const RelayAccess& access) : tenant_(access.tenant), stub_(std::make_unique<Stub>()) {
  stub_->service = media::MediaService::NewStub(
      rpc::Connect(access.address, {.tls = access.tls, .trust_domain = access.trust_domain,
                                    .server = std::string(rpc::kMediaRelay)}));
}

MediaClient::~MediaClient() = default;

absl::StatusOr<std::string> MediaClient::Offer(const std::string& call_reference, const std::string& sdp) {
  grpc::ClientContext context;
  PrepareCall(context);
  media::OfferRequest request;
  request.set_tenant_id(tenant_);
  request.set_call_reference(call_reference);
  request.set_from(media::SIDE_CALLER);
  request.set_sdp(sdp);
  media::OfferResponse response;
  const grpc::Status status = stub_->service->Offer(&context, request, &response);
  if (!status.ok()) return rpc::FromGrpc(status);
  return response.sdp();
}

absl::StatusOr<std::string> MediaClient::Answer(const std::string& call_reference, const std::string& sdp) {
  grpc::ClientContext context;
  PrepareCall(context);
  media::AnswerRequest request;
  request.set_tenant_id(tenant_);
  request.set_call_reference(call_reference);
  request.set_from(media::SIDE_AGENT);
  request.set_sdp(sdp);
  media::AnswerResponse response;
  const grpc::Status status = stub_->service->Answer(&context, request, &response);
  if (!status.ok()) return rpc::FromGrpc(status);
  return response.sdp();
}

absl::StatusOr<std::string> MediaClient::Delete(const std::string& call_reference) {
  grpc::ClientContext context;
  PrepareCall(context);
  media::DeleteCallRequest request;
  request.set_tenant_id(tenant_);
  request.set_call_reference(call_reference);
  media::DeleteCallResponse response;
  const grpc::Status status = stub_->service->DeleteCall(&context, request, &response);
  if (!status.ok()) return rpc::FromGrpc(status);
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  (void)google::protobuf::util::MessageToJsonString(response.statistics(), &json, options);
  return json;
}

absl::Status MediaClient::Protect(const std::string& call_reference) {
  grpc::ClientContext context;
  PrepareCall(context);
  media::ProtectCallRequest request;
  request.set_tenant_id(tenant_);
  request.set_call_reference(call_reference);
  media::ProtectCallResponse response;
  return rpc::FromGrpc(stub_->service->ProtectCall(&context, request, &response));
}

}  // namespace flattone::call
