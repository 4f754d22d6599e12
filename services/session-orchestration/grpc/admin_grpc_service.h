// The operator's door. The identity table has let only the operator in; changes are audited in their own
// transaction, reads of tenants' objects before they are made.
#pragma once

#include "flattone/session/v1/admin.grpc.pb.h"
#include "libs/base/random.h"
#include "services/session-orchestration/payment/payment_service.h"
#include "services/session-orchestration/session/session_service.h"
#include "services/session-orchestration/tenant/admin.h"
#include "services/session-orchestration/webhook/webhook_api.h"

namespace flattone::session {

class AdminGrpcService final : public v1::SessionAdminService::Service {
 public:
  struct Parts {
    const Domain& domain;
    AdminStore& admin;
    SessionService& sessions;
    PaymentService& payments;
    WebhookApi* webhooks;  // nullptr: the webhook methods answer UNIMPLEMENTED
  };
  explicit AdminGrpcService(const Parts& parts) : parts_(parts) {}

  grpc::Status CreateTenant(grpc::ServerContext* context, const v1::CreateTenantRequest* request, v1::Tenant* response) override;
  grpc::Status GetTenant(grpc::ServerContext* context, const v1::GetTenantRequest* request, v1::Tenant* response) override;
  grpc::Status ListTenants(grpc::ServerContext* context, const v1::ListTenantsRequest* request, v1::ListTenantsResponse* response) override;
  grpc::Status UpdateTenant(grpc::ServerContext* context, const v1::UpdateTenantRequest* request, v1::Tenant* response) override;
  grpc::Status CreateApiKey(grpc::ServerContext* context, const v1::CreateApiKeyRequest* request, v1::ApiKey* response) override;
  grpc::Status ListApiKeys(grpc::ServerContext* context, const v1::ListApiKeysRequest* request, v1::ListApiKeysResponse* response) override;
  grpc::Status RevokeApiKey(grpc::ServerContext* context, const v1::RevokeApiKeyRequest* request, v1::ApiKey* response) override;
  grpc::Status PutEdge(grpc::ServerContext* context, const v1::PutEdgeRequest* request, v1::EdgeConfiguration* response) override;
  grpc::Status ListEdges(grpc::ServerContext* context, const v1::ListEdgesRequest* request, v1::ListEdgesResponse* response) override;
  grpc::Status DeleteEdge(grpc::ServerContext* context, const v1::DeleteEdgeRequest* request, v1::DeleteEdgeResponse* response) override;
  grpc::Status ListRelays(grpc::ServerContext* context, const v1::ListRelaysRequest* request, v1::ListRelaysResponse* response) override;
  grpc::Status AdminListSessions(grpc::ServerContext* context, const v1::AdminListSessionsRequest* request, v1::ListSessionsResponse* response) override;
  grpc::Status AdminGetSession(grpc::ServerContext* context, const v1::AdminGetSessionRequest* request, v1::Session* response) override;
  grpc::Status AdminListPayments(grpc::ServerContext* context, const v1::AdminListPaymentsRequest* request, v1::ListPaymentsResponse* response) override;
  grpc::Status AdminListEvents(grpc::ServerContext* context, const v1::AdminListEventsRequest* request, v1::ListEventsResponse* response) override;
  grpc::Status AdminCreateWebhookEndpoint(grpc::ServerContext* context, const v1::AdminCreateWebhookEndpointRequest* request, v1::WebhookEndpoint* response) override;
  grpc::Status AdminListWebhookEndpoints(grpc::ServerContext* context, const v1::AdminListWebhookEndpointsRequest* request, v1::ListWebhookEndpointsResponse* response) override;
  grpc::Status AdminListWebhookDeliveries(grpc::ServerContext* context, const v1::AdminListWebhookDeliveriesRequest* request, v1::ListWebhookDeliveriesResponse* response) override;
  grpc::Status ListAdminActions(grpc::ServerContext* context, const v1::ListAdminActionsRequest* request, v1::ListAdminActionsResponse* response) override;

 private:
  // An audited read or a change whose store does not audit by itself.
  absl::Status Record(const std::string& actor, const std::string& action, const std::string& tenant_id, const std::string& object);
  Parts parts_;
};

}  // namespace flattone::session
