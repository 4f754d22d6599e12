// The gRPC door of the public API: metadata and messages to the dispatcher and back, nothing else.
// On the public listener: the credential is in `authorization`, the key in `idempotency-key`.
#pragma once

#include <atomic>

#include "flattone/session/v1/session.grpc.pb.h"
#include "libs/base/random.h"
#include "services/session-orchestration/rest/dispatcher.h"

namespace flattone::session {

class SessionGrpcService final : public v1::SessionService::Service {
 public:
  // A stream holds a thread of the server: at most `max_streams`, then RESOURCE_EXHAUSTED.
  SessionGrpcService(RpcDispatcher& dispatcher, Random& random, int max_streams)
      : dispatcher_(dispatcher), random_(random), max_streams_(max_streams) {}
  // Ends open streams, for a drain. Any thread.
  void EndStreams() { ending_ = true; }

  grpc::Status CreateSession(grpc::ServerContext* context, const v1::CreateSessionRequest* request, v1::Session* response) override { return Unary(context, "CreateSession", *request, response); }
  grpc::Status GetSession(grpc::ServerContext* context, const v1::GetSessionRequest* request, v1::Session* response) override { return Unary(context, "GetSession", *request, response); }
  grpc::Status ListSessions(grpc::ServerContext* context, const v1::ListSessionsRequest* request, v1::ListSessionsResponse* response) override { return Unary(context, "ListSessions", *request, response); }
  grpc::Status StartCapture(grpc::ServerContext* context, const v1::StartCaptureRequest* request, v1::Session* response) override { return Unary(context, "StartCapture", *request, response); }
  grpc::Status RestartField(grpc::ServerContext* context, const v1::RestartFieldRequest* request, v1::Session* response) override { return Unary(context, "RestartField", *request, response); }
  grpc::Status UndoKey(grpc::ServerContext* context, const v1::UndoKeyRequest* request, v1::Session* response) override { return Unary(context, "UndoKey", *request, response); }
  grpc::Status SubmitField(grpc::ServerContext* context, const v1::SubmitFieldRequest* request, v1::Session* response) override { return Unary(context, "SubmitField", *request, response); }
  grpc::Status Pay(grpc::ServerContext* context, const v1::PayRequest* request, v1::Payment* response) override { return Unary(context, "Pay", *request, response); }
  grpc::Status CancelSession(grpc::ServerContext* context, const v1::CancelSessionRequest* request, v1::Session* response) override { return Unary(context, "CancelSession", *request, response); }
  grpc::Status EndSession(grpc::ServerContext* context, const v1::EndSessionRequest* request, v1::Session* response) override { return Unary(context, "EndSession", *request, response); }
  grpc::Status SetIntent(grpc::ServerContext* context, const v1::SetIntentRequest* request, v1::Session* response) override { return Unary(context, "SetIntent", *request, response); }
  grpc::Status CreateAgentToken(grpc::ServerContext* context, const v1::CreateAgentTokenRequest* request, v1::AgentToken* response) override { return Unary(context, "CreateAgentToken", *request, response); }
  grpc::Status GetPayment(grpc::ServerContext* context, const v1::GetPaymentRequest* request, v1::Payment* response) override { return Unary(context, "GetPayment", *request, response); }
  grpc::Status ListPayments(grpc::ServerContext* context, const v1::ListPaymentsRequest* request, v1::ListPaymentsResponse* response) override { return Unary(context, "ListPayments", *request, response); }
  grpc::Status CapturePayment(grpc::ServerContext* context, const v1::CapturePaymentRequest* request, v1::Payment* response) override { return Unary(context, "CapturePayment", *request, response); }
  grpc::Status VoidPayment(grpc::ServerContext* context, const v1::VoidPaymentRequest* request, v1::Payment* response) override { return Unary(context, "VoidPayment", *request, response); }
  grpc::Status RefundPayment(grpc::ServerContext* context, const v1::RefundPaymentRequest* request, v1::Payment* response) override { return Unary(context, "RefundPayment", *request, response); }
  grpc::Status ListEvents(grpc::ServerContext* context, const v1::ListEventsRequest* request, v1::ListEventsResponse* response) override { return Unary(context, "ListEvents", *request, response); }
  grpc::Status ListSessionEvents(grpc::ServerContext* context, const v1::ListSessionEventsRequest* request, v1::ListEventsResponse* response) override { return Unary(context, "ListSessionEvents", *request, response); }
  grpc::Status CreateWebhookEndpoint(grpc::ServerContext* context, const v1::CreateWebhookEndpointRequest* request, v1::WebhookEndpoint* response) override { return Unary(context, "CreateWebhookEndpoint", *request, response); }
  grpc::Status GetWebhookEndpoint(grpc::ServerContext* context, const v1::GetWebhookEndpointRequest* request, v1::WebhookEndpoint* response) override { return Unary(context, "GetWebhookEndpoint", *request, response); }
  grpc::Status ListWebhookEndpoints(grpc::ServerContext* context, const v1::ListWebhookEndpointsRequest* request, v1::ListWebhookEndpointsResponse* response) override { return Unary(context, "ListWebhookEndpoints", *request, response); }
  grpc::Status UpdateWebhookEndpoint(grpc::ServerContext* context, const v1::UpdateWebhookEndpointRequest* request, v1::WebhookEndpoint* response) override { return Unary(context, "UpdateWebhookEndpoint", *request, response); }
  grpc::Status DeleteWebhookEndpoint(grpc::ServerContext* context, const v1::DeleteWebhookEndpointRequest* request, v1::DeleteWebhookEndpointResponse* response) override { return Unary(context, "DeleteWebhookEndpoint", *request, response); }
  grpc::Status RotateWebhookSecret(grpc::ServerContext* context, const v1::RotateWebhookSecretRequest* request, v1::WebhookEndpoint* response) override { return Unary(context, "RotateWebhookSecret", *request, response); }
  grpc::Status ListWebhookDeliveries(grpc::ServerContext* context, const v1::ListWebhookDeliveriesRequest* request, v1::ListWebhookDeliveriesResponse* response) override { return Unary(context, "ListWebhookDeliveries", *request, response); }
  grpc::Status ReplayWebhookDeliveries(grpc::ServerContext* context, const v1::ReplayWebhookDeliveriesRequest* request, v1::ReplayWebhookDeliveriesResponse* response) override { return Unary(context, "ReplayWebhookDeliveries", *request, response); }
  grpc::Status StreamSessionEvents(grpc::ServerContext* context, const v1::StreamSessionEventsRequest* request, grpc::ServerWriter<v1::Event>* writer) override {
    return Stream(context, "StreamSessionEvents", *request, writer);
  }
  grpc::Status StreamEvents(grpc::ServerContext* context, const v1::StreamEventsRequest* request, grpc::ServerWriter<v1::Event>* writer) override {
    return Stream(context, "StreamEvents", *request, writer);
  }

 private:
  grpc::Status Unary(grpc::ServerContext* context, const char* name, const google::protobuf::Message& request, google::protobuf::Message* response);
  grpc::Status Stream(grpc::ServerContext* context, const char* name, const google::protobuf::Message& request, grpc::ServerWriter<v1::Event>* writer);

  RpcDispatcher& dispatcher_;
  Random& random_;
  const int max_streams_;
  std::atomic<int> streams_{0};
  std::atomic<bool> ending_{false};
};

}  // namespace flattone::session
