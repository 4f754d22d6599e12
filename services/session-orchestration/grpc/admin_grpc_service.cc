#include "services/session-orchestration/grpc/admin_grpc_service.h"

#include "libs/base/error.h"
#include "libs/rpc/call.h"
#include "libs/rpc/status.h"
#include "services/session-orchestration/event/event_log.h"
#include "services/session-orchestration/store/page.h"

namespace flattone::session {
namespace {

template <typename T>
grpc::Status Answer(grpc::ServerContext* context, absl::StatusOr<T> answer, T* response) {
  if (!answer.ok()) return rpc::ToGrpc(answer.status(), context);
  *response = *std::move(answer);
  return grpc::Status::OK;
}

std::string ActorOf(const grpc::ServerContext& context) { return rpc::InfoOf(context, SystemRandom()).caller.ToString(); }

absl::StatusOr<World> WorldOf(const std::string& tenant_id, int mode) {
  if (mode != common::v1::MODE_TEST && mode != common::v1::MODE_LIVE) return InvalidField("mode", "is not set", "MODE_TEST or MODE_LIVE");
  return World{tenant_id, mode};
}

absl::Status NoWebhooks() { return absl::UnimplementedError("webhooks are not part of this process"); }

}  // namespace

absl::Status AdminGrpcService::Record(const std::string& actor, const std::string& action, const std::string& tenant_id, const std::string& object) {
  return parts_.domain.db.Write([&](storage::Transaction& tx) { return parts_.admin.Record(tx, actor, action, tenant_id, object); });
}

grpc::Status AdminGrpcService::CreateTenant(grpc::ServerContext* context, const v1::CreateTenantRequest* request, v1::Tenant* response) {
  return Answer(context, parts_.admin.CreateTenant(ActorOf(*context), *request), response);
}

grpc::Status AdminGrpcService::GetTenant(grpc::ServerContext* context, const v1::GetTenantRequest* request, v1::Tenant* response) {
  return Answer(context, parts_.admin.GetTenant(*request), response);
}

grpc::Status AdminGrpcService::ListTenants(grpc::ServerContext* context, const v1::ListTenantsRequest* request, v1::ListTenantsResponse* response) {
  return Answer(context, parts_.admin.ListTenants(*request), response);
}

grpc::Status AdminGrpcService::UpdateTenant(grpc::ServerContext* context, const v1::UpdateTenantRequest* request, v1::Tenant* response) {
  return Answer(context, parts_.admin.UpdateTenant(ActorOf(*context), *request), response);
}

grpc::Status AdminGrpcService::CreateApiKey(grpc::ServerContext* context, const v1::CreateApiKeyRequest* request, v1::ApiKey* response) {
  return Answer(context, parts_.admin.CreateApiKey(ActorOf(*context), *request), response);
}

grpc::Status AdminGrpcService::ListApiKeys(grpc::ServerContext* context, const v1::ListApiKeysRequest* request, v1::ListApiKeysResponse* response) {
  return Answer(context, parts_.admin.ListApiKeys(*request), response);
}

grpc::Status AdminGrpcService::RevokeApiKey(grpc::ServerContext* context, const v1::RevokeApiKeyRequest* request, v1::ApiKey* response) {
  return Answer(context, parts_.admin.RevokeApiKey(ActorOf(*context), *request), response);
}

grpc::Status AdminGrpcService::PutEdge(grpc::ServerContext* context, const v1::PutEdgeRequest* request, v1::EdgeConfiguration* response) {
  return Answer(context, parts_.admin.PutEdge(ActorOf(*context), *request), response);
}

grpc::Status AdminGrpcService::ListEdges(grpc::ServerContext* context, const v1::ListEdgesRequest* request, v1::ListEdgesResponse* response) {
  return Answer(context, parts_.admin.ListEdges(*request), response);
}

grpc::Status AdminGrpcService::DeleteEdge(grpc::ServerContext* context, const v1::DeleteEdgeRequest* request, v1::DeleteEdgeResponse* response) {
  return Answer(context, parts_.admin.DeleteEdge(ActorOf(*context), *request), response);
}

grpc::Status AdminGrpcService::ListRelays(grpc::ServerContext* context, const v1::ListRelaysRequest* request, v1::ListRelaysResponse* response) {
  return Answer(context, parts_.admin.ListRelays(*request), response);
}

grpc::Status AdminGrpcService::AdminListSessions(grpc::ServerContext* context, const v1::AdminListSessionsRequest* request, v1::ListSessionsResponse* response) {
  return Answer<v1::ListSessionsResponse>(context, [&]() -> absl::StatusOr<v1::ListSessionsResponse> {
    auto world = WorldOf(request->tenant_id(), request->mode());
    if (!world.ok()) return world.status();
    FT_TRY(Record(ActorOf(*context), "session.list", world->tenant_id, ""));
    return parts_.sessions.List(*world, request->list());
  }(), response);
}

grpc::Status AdminGrpcService::AdminGetSession(grpc::ServerContext* context, const v1::AdminGetSessionRequest* request, v1::Session* response) {
  return Answer<v1::Session>(context, [&]() -> absl::StatusOr<v1::Session> {
    FT_TRY(Record(ActorOf(*context), "session.get", request->tenant_id(), request->session_id()));
    v1::Session session;
    FT_TRY(parts_.domain.db.Read([&](storage::Transaction& tx) -> absl::Status {
      auto row = LoadSessionOfTenant(tx, request->tenant_id(), request->session_id(), Lock::kNo);
      if (!row.ok()) return row.status();
      auto shown = Shown(tx, *row);
      if (shown.ok()) session = *std::move(shown);
      return shown.status();
    }));
    return session;
  }(), response);
}

grpc::Status AdminGrpcService::AdminListPayments(grpc::ServerContext* context, const v1::AdminListPaymentsRequest* request, v1::ListPaymentsResponse* response) {
  return Answer<v1::ListPaymentsResponse>(context, [&]() -> absl::StatusOr<v1::ListPaymentsResponse> {
    auto world = WorldOf(request->tenant_id(), request->mode());
    if (!world.ok()) return world.status();
    FT_TRY(Record(ActorOf(*context), "payment.list", world->tenant_id, ""));
    return parts_.payments.List(*world, request->list());
  }(), response);
}

grpc::Status AdminGrpcService::AdminListEvents(grpc::ServerContext* context, const v1::AdminListEventsRequest* request, v1::ListEventsResponse* response) {
  return Answer<v1::ListEventsResponse>(context, [&]() -> absl::StatusOr<v1::ListEventsResponse> {
    auto world = WorldOf(request->tenant_id(), request->mode());
    if (!world.ok()) return world.status();
    FT_TRY(CheckPageSize(request->list().page_size()));
    FT_TRY(Record(ActorOf(*context), "event.list", world->tenant_id, ""));
    v1::ListEventsResponse answer;
    FT_TRY(parts_.domain.db.Read([&](storage::Transaction& tx) -> absl::Status {
      answer.Clear();
      answer.set_next_after(request->list().after());
      auto events = TenantEvents(tx, *world, request->list().after(), PageSize(request->list().page_size()));
      if (!events.ok()) return events.status();
      for (v1::Event& event : *events) {
        answer.set_next_after(event.tenant_sequence());
        *answer.add_events() = std::move(event);
      }
      return absl::OkStatus();
    }));
    return answer;
  }(), response);
}

grpc::Status AdminGrpcService::AdminCreateWebhookEndpoint(grpc::ServerContext* context, const v1::AdminCreateWebhookEndpointRequest* request, v1::WebhookEndpoint* response) {
  return Answer<v1::WebhookEndpoint>(context, [&]() -> absl::StatusOr<v1::WebhookEndpoint> {
    if (parts_.webhooks == nullptr) return NoWebhooks();
    auto world = WorldOf(request->tenant_id(), request->mode());
    if (!world.ok()) return world.status();
    v1::CreateWebhookEndpointRequest create;
    *create.mutable_endpoint() = request->endpoint();
    v1::WebhookEndpoint endpoint;
    FT_TRY(parts_.domain.db.Write([&](storage::Transaction& tx) -> absl::Status {
      auto made = parts_.webhooks->Create(tx, *world, parts_.domain.clock.Now(), create);
      if (!made.ok()) return made.status();
      endpoint = *std::move(made);
      return parts_.admin.Record(tx, ActorOf(*context), "webhook.create", world->tenant_id, endpoint.id());
    }));
    return endpoint;
  }(), response);
}

grpc::Status AdminGrpcService::AdminListWebhookEndpoints(grpc::ServerContext* context, const v1::AdminListWebhookEndpointsRequest* request, v1::ListWebhookEndpointsResponse* response) {
  return Answer<v1::ListWebhookEndpointsResponse>(context, [&]() -> absl::StatusOr<v1::ListWebhookEndpointsResponse> {
    if (parts_.webhooks == nullptr) return NoWebhooks();
    auto world = WorldOf(request->tenant_id(), request->mode());
    if (!world.ok()) return world.status();
    FT_TRY(Record(ActorOf(*context), "webhook.list", world->tenant_id, ""));
    v1::ListWebhookEndpointsResponse answer;
    FT_TRY(parts_.domain.db.Read([&](storage::Transaction& tx) -> absl::Status {
      auto listed = parts_.webhooks->List(tx, *world, request->list());
      if (listed.ok()) answer = *std::move(listed);
      return listed.status();
    }));
    return answer;
  }(), response);
}

grpc::Status AdminGrpcService::AdminListWebhookDeliveries(grpc::ServerContext* context, const v1::AdminListWebhookDeliveriesRequest* request, v1::ListWebhookDeliveriesResponse* response) {
  return Answer<v1::ListWebhookDeliveriesResponse>(context, [&]() -> absl::StatusOr<v1::ListWebhookDeliveriesResponse> {
    if (parts_.webhooks == nullptr) return NoWebhooks();
    FT_TRY(Record(ActorOf(*context), "delivery.list", request->tenant_id(), request->list().endpoint_id()));
    v1::ListWebhookDeliveriesResponse answer;
    FT_TRY(parts_.domain.db.Read([&](storage::Transaction& tx) -> absl::Status {
      // The endpoint knows its mode; the request names only the tenant.
      auto rows = tx.Query("SELECT mode FROM webhook_endpoint WHERE id = $1 AND tenant_id = $2", {request->list().endpoint_id(), request->tenant_id()});
      if (!rows.ok()) return rows.status();
      const World world{request->tenant_id(), rows->empty() ? 0 : static_cast<int>(rows->front().Int("mode"))};
      auto listed = parts_.webhooks->ListDeliveries(tx, world, request->list());
      if (listed.ok()) answer = *std::move(listed);
      return listed.status();
    }));
    return answer;
  }(), response);
}

grpc::Status AdminGrpcService::ListAdminActions(grpc::ServerContext* context, const v1::ListAdminActionsRequest* request, v1::ListAdminActionsResponse* response) {
  return Answer(context, parts_.admin.ListActions(*request), response);
}

}  // namespace flattone::session
