#include "services/session-orchestration/grpc/method_rules.h"

namespace flattone::session {
namespace {

constexpr uint32_t Role(v1::ApiKeyRole role) { return 1u << static_cast<unsigned>(role); }
constexpr uint32_t kSessions = Role(v1::API_KEY_ROLE_SESSIONS), kFinance = Role(v1::API_KEY_ROLE_FINANCE);
constexpr uint32_t kPlatform = Role(v1::API_KEY_ROLE_PLATFORM);
constexpr uint32_t kAnyRole = kSessions | kFinance | Role(v1::API_KEY_ROLE_READ);

}  // namespace

const std::map<std::string, MethodRule>& MethodRules() {
  static const auto* const rules = new std::map<std::string, MethodRule>{
      {"CreateSession", {kSessions, kNoAgent, true, ""}},
      {"GetSession", {kAnyRole, v1::AGENT_ACTION_VIEW, false, ""}},
      {"ListSessions", {kAnyRole, kNoAgent, false, ""}},
      {"StartCapture", {kSessions, v1::AGENT_ACTION_CAPTURE, true, "session_id"}},
      {"RestartField", {kSessions, v1::AGENT_ACTION_CAPTURE, true, "session_id"}},
      {"UndoKey", {kSessions, v1::AGENT_ACTION_CAPTURE, true, "session_id"}},
      {"SubmitField", {kSessions, v1::AGENT_ACTION_CAPTURE, true, "session_id"}},
      {"Pay", {kSessions, v1::AGENT_ACTION_PAY, true, "session_id"}},
      {"CancelSession", {kSessions, v1::AGENT_ACTION_CANCEL, true, "session_id"}},
      {"EndSession", {kSessions, v1::AGENT_ACTION_CANCEL, true, "session_id"}},
      {"SetIntent", {kSessions, kNoAgent, true, "session_id"}},
      {"CreateAgentToken", {kSessions, kNoAgent, true, "session_id"}},
      {"GetPayment", {kAnyRole, kNoAgent, false, ""}},
      {"ListPayments", {kAnyRole, kNoAgent, false, ""}},
      {"CapturePayment", {kFinance, kNoAgent, true, "payment_id"}},
      {"VoidPayment", {kFinance, kNoAgent, true, "payment_id"}},
      {"RefundPayment", {kFinance, kNoAgent, true, "payment_id"}},
      {"ListEvents", {kAnyRole, kNoAgent, false, ""}},
      {"ListSessionEvents", {kAnyRole, v1::AGENT_ACTION_VIEW, false, ""}},
      {"StreamSessionEvents", {kAnyRole, v1::AGENT_ACTION_VIEW, false, ""}},
      {"StreamEvents", {kAnyRole, kNoAgent, false, ""}},
      {"CreateWebhookEndpoint", {kFinance, kNoAgent, true, ""}},
      {"GetWebhookEndpoint", {kAnyRole, kNoAgent, false, ""}},
      {"ListWebhookEndpoints", {kAnyRole, kNoAgent, false, ""}},
      {"UpdateWebhookEndpoint", {kFinance, kNoAgent, true, "endpoint_id"}},
      {"DeleteWebhookEndpoint", {kFinance, kNoAgent, true, "endpoint_id"}},
      {"RotateWebhookSecret", {kFinance, kNoAgent, true, "endpoint_id"}},
      {"ListWebhookDeliveries", {kAnyRole, kNoAgent, false, ""}},
      {"ReplayWebhookDeliveries", {kFinance, kNoAgent, true, "endpoint_id"}},
      {"CreatePlatformTenant", {kPlatform, kNoAgent, true, "", true}},
      {"GetPlatformTenant", {kPlatform, kNoAgent, false, "", true}},
      {"ListPlatformTenants", {kPlatform, kNoAgent, false, "", true}},
      {"SuspendPlatformTenant", {kPlatform, kNoAgent, true, "tenant_id", true}},
      {"ResumePlatformTenant", {kPlatform, kNoAgent, true, "tenant_id", true}},
      {"CreateTenantApiKey", {kPlatform, kNoAgent, true, "tenant_id", true}},
      {"ListTenantApiKeys", {kPlatform, kNoAgent, false, "", true}},
      {"RevokeTenantApiKey", {kPlatform, kNoAgent, true, "key_id", true}},
  };
  return *rules;
}

}  // namespace flattone::session
