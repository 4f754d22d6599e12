#include "tools/callbox/session_client.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include "flattone/session/v1/session.grpc.pb.h"
#include "libs/base/random.h"
#include "libs/rpc/status.h"

namespace flattone::call {

namespace session = ::flattone::session::v1;

struct SessionClient::Stub {
  std::unique_ptr<session::SessionService::Stub> service;
};

namespace {

std::string FileText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void PrepareCall(grpc::ClientContext& context, const std::string& api_key, int seconds) {
  context.AddMetadata("authorization", "Bearer " + api_key);
  context.AddMetadata("idempotency-key", RandomId(SystemRandom(), "idem"));
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(seconds));
}

template <typename Message>
std::string Json(const Message& message) {
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;  // as the REST door writes them
  (void)google::protobuf::util::MessageToJsonString(message, &json, options);
  return json;
}

// One call of the session API. Request and Response are those of the method.
template <typename Request, typename Response>
absl::StatusOr<Response> Ask(session::SessionService::Stub& stub,
                             grpc::Status (session::SessionService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                             const Request& request, const std::string& api_key, int seconds = 20) {
  grpc::ClientContext context;
  PrepareCall(context, api_key, seconds);
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return rpc::FromGrpc(status);
  return response;
}

template <typename Request>
Request Of(const std::string& session_id) {
  Request request;
  request.set_session_id(session_id);
  return request;
}

}  // namespace

SessionClient::SessionClient(const ApiAccess& access) : api_key_(access.api_key), stub_(std::make_unique<Stub>()) {
  grpc::SslCredentialsOptions tls;
  if (!access.ca.empty()) tls.pem_root_certs = FileText(access.ca);
  stub_->service = session::SessionService::NewStub(grpc::CreateChannel(access.address, grpc::SslCredentials(tls)));
}

SessionClient::~SessionClient() = default;

absl::StatusOr<std::string> SessionClient::Create(const std::string& call_reference, const std::string& agent,
                                                  const Intent& intent) {
  session::CreateSessionRequest request;
  request.mutable_session()->set_call_reference(call_reference);
  request.mutable_session()->set_agent(agent);
  session::PaymentIntent* wanted = request.mutable_session()->mutable_intent();
  wanted->set_order_reference(intent.order_reference);
  wanted->mutable_amount()->set_amount_minor(intent.amount_minor);
  wanted->mutable_amount()->set_currency_code(intent.currency);
  wanted->set_purpose(intent.charge ? session::PURPOSE_CHARGE : session::PURPOSE_AUTHORISE);
  const auto created = Ask(*stub_->service, &session::SessionService::Stub::CreateSession, request, api_key_);
  if (!created.ok()) return created.status();
  return created->id();
}

absl::Status SessionClient::StartCapture(const std::string& id) {
  return Ask(*stub_->service, &session::SessionService::Stub::StartCapture, Of<session::StartCaptureRequest>(id), api_key_)
      .status();
}

absl::StatusOr<std::string> SessionClient::Pay(const std::string& id) {
  const auto payment =
      Ask(*stub_->service, &session::SessionService::Stub::Pay, Of<session::PayRequest>(id), api_key_, 70);
  if (!payment.ok()) return payment.status();
  return Json(*payment);
}

absl::Status SessionClient::End(const std::string& id) {
  return Ask(*stub_->service, &session::SessionService::Stub::EndSession, Of<session::EndSessionRequest>(id), api_key_)
      .status();
}

absl::Status SessionClient::Cancel(const std::string& id) {
  return Ask(*stub_->service, &session::SessionService::Stub::CancelSession, Of<session::CancelSessionRequest>(id), api_key_)
      .status();
}

absl::Status SessionClient::Watch(const std::string& id, const std::function<void(const SessionEvent&)>& take,
                                  const std::function<bool()>& stop) {
  int64_t after = 0;
  for (int failures = 0; !stop() && failures < 20;) {
    grpc::ClientContext context;
    PrepareCall(context, api_key_, 2);  // short, so that stop() is asked; the next stream goes on where this one ended
    session::StreamSessionEventsRequest request;
    request.set_session_id(id);
    request.set_after(after);
    const auto reader = stub_->service->StreamSessionEvents(&context, request);
    session::Event event;
    while (reader->Read(&event)) {
      after = event.session_sequence();
      take({event.type(), Json(event)});
      if (event.type() == "session.ended") return absl::OkStatus();
      failures = 0;
    }
    const grpc::Status status = reader->Finish();
    if (status.ok() || status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) continue;
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE) return rpc::FromGrpc(status);
    ++failures;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  return absl::OkStatus();
}

}  // namespace flattone::call
