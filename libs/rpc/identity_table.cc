#include "libs/rpc/identity_table.h"

#include <initializer_list>
#include <string>
#include <unordered_map>

namespace flattone::rpc {
namespace {

// clang-format off
std::vector<std::pair<std::string, uint32_t>> Rows() {
  std::vector<std::pair<std::string, uint32_t>> rows;
  auto add = [&rows](const char* service, uint32_t callers, std::initializer_list<const char*> methods) {
    for (const char* method : methods) rows.emplace_back(std::string(service) + method, callers);
  };
  add("/flattone.media.v1.MediaService/", kByEdge, {
    "Offer", "Answer", "DeleteCall", "QueryCall", "ProtectCall"});
  add("/flattone.media.v1.SecureMediaService/", kByOrchestrator, {
    "FindCall", "StartSecure", "StopSecure", "GetSecureState"});
  add("/flattone.masking.v1.MaskingService/", kByRelay, {
    "Mask"});
  add("/flattone.vault.v1.CaptureService/", kByOrchestrator, {
    "OpenCapture", "GetCapture", "WatchCapture", "RestartField", "UndoKey", "SubmitField", "CancelCapture",
    "Tokenise"});
  add("/flattone.vault.v1.KeyIntakeService/", kByMasker, {
    "GetCaptureKey", "SubmitKey"});
  add("/flattone.vault.v1.CardReleaseService/", kByAdapter, {
    "OpenCard", "Wipe"});
  add("/flattone.vault.v1.VaultAdminService/", kByOperator, {
    "ListAuditRecords", "VerifyAudit", "GetToken", "DestroyToken", "RotateDataKey"});
  add("/flattone.gateway.v1.PaymentGatewayService/", kByOrchestrator, {
    "Authorise", "CapturePayment", "VoidPayment", "RefundPayment", "ListAttempts", "ListOutcomes"});
  add("/flattone.gateway.v1.GatewayAdminService/", kByOperator, {
    "PutPspAccount", "ListPspAccounts", "DeletePspAccount", "ListUnknownAttempts", "ResolveAttempt",
    "ListAdminRecords"});
  add("/flattone.session.v1.FleetService/", kByRelay, {
    "RegisterRelay", "RenewRelayLease", "ReportCalls"});
  add("/flattone.session.v1.SessionAdminService/", kByOperator, {
    "CreateTenant", "GetTenant", "ListTenants", "UpdateTenant", "CreateApiKey", "ListApiKeys", "RevokeApiKey",
    "PutEdge", "ListEdges", "DeleteEdge", "ListRelays", "AdminListSessions", "AdminGetSession",
    "AdminListPayments", "AdminListEvents", "AdminCreateWebhookEndpoint", "AdminListWebhookEndpoints",
    "AdminListWebhookDeliveries", "ListAdminActions"});
  // The public listener's service: there an API key decides; no certificate opens it here.
  add("/flattone.session.v1.SessionService/", kNobody, {
    "CreateSession", "GetSession", "ListSessions", "StartCapture", "RestartField", "UndoKey", "SubmitField",
    "Pay", "CancelSession", "EndSession", "SetIntent", "CreateAgentToken", "GetPayment", "ListPayments",
    "CapturePayment", "VoidPayment", "RefundPayment", "ListEvents", "ListSessionEvents", "StreamSessionEvents",
    "StreamEvents", "CreateWebhookEndpoint", "GetWebhookEndpoint", "ListWebhookEndpoints",
    "UpdateWebhookEndpoint", "DeleteWebhookEndpoint", "RotateWebhookSecret", "ListWebhookDeliveries",
    "ReplayWebhookDeliveries"});
  add("/flattone.session.v1.PlatformService/", kNobody, {
    "CreatePlatformTenant", "GetPlatformTenant", "ListPlatformTenants", "SuspendPlatformTenant",
    "ResumePlatformTenant", "CreateTenantApiKey", "ListTenantApiKeys", "RevokeTenantApiKey"});
  add("/grpc.health.v1.Health/", kByAnyIdentity, {"Check", "Watch"});
  add("/grpc.reflection.v1alpha.ServerReflection/", kByAnyIdentity, {"ServerReflectionInfo"});
  // Not served by gRPC 1.51: clients that ask for it first must hear UNIMPLEMENTED to fall back to v1alpha.
  add("/grpc.reflection.v1.ServerReflection/", kByAnyIdentity, {"ServerReflectionInfo"});
  return rows;
}
// clang-format on

const std::unordered_map<std::string_view, uint32_t>& ByMethod() {
  static const auto* map = [] {
    auto* m = new std::unordered_map<std::string_view, uint32_t>();
    for (const TableRow& row : IdentityTable()) m->emplace(row.method, row.callers);
    return m;
  }();
  return *map;
}

uint32_t BitOf(std::string_view name) {
  if (name == kMediaRelay) return kByRelay;
  if (name == kDtmfMasking) return kByMasker;
  if (name == kTokenisationVault) return kByVault;
  if (name == kGatewayAdapter) return kByAdapter;
  if (name == kSessionOrchestration) return kByOrchestrator;
  if (name == kOperator) return kByOperator;
  if (name == kEdge) return kByEdge;
  return 0;
}

}  // namespace

const std::vector<TableRow>& IdentityTable() {
  static const auto* rows = new std::vector<std::pair<std::string, uint32_t>>(Rows());
  static const auto* table = [] {
    auto* t = new std::vector<TableRow>();
    for (const auto& row : *rows) t->push_back({row.first, row.second});
    return t;
  }();
  return *table;
}

bool MayCall(const CallerIdentity& caller, std::string_view method) {
  auto row = ByMethod().find(method);
  return row != ByMethod().end() && (row->second & BitOf(caller.name)) != 0;
}

bool IsKnownMethod(std::string_view method) { return ByMethod().count(method) > 0; }

}  // namespace flattone::rpc
