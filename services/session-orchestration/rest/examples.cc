#include "services/session-orchestration/rest/examples.h"

#include <map>

namespace flattone::session::rest {
namespace {

constexpr char kIntent[] =
    R"({"order_reference": "order-1", "amount": {"amount_minor": "1999", "currency_code": "EUR"}, "purpose": "PURPOSE_CHARGE"})";
constexpr char kFourKeys[] = R"({"field": "CARD_FIELD_PAN", "expected_count": 4})";

const std::map<std::string, std::string>& Bodies() {
  static const auto* const bodies = new std::map<std::string, std::string>{
      {"CreateSession", std::string(R"({"call_reference": "4711@sbc", "agent": "amal", "intent": )") + kIntent + "}"},
      {"StartCapture", "{}"},
      {"RestartField", kFourKeys},
      {"UndoKey", kFourKeys},
      {"SubmitField", kFourKeys},
      {"Pay", R"({"wait_seconds": 30})"},
      {"CancelSession", "{}"},
      {"EndSession", "{}"},
      {"SetIntent", std::string(R"({"intent": )") + kIntent + "}"},
      {"CreateAgentToken", R"({"actions": ["AGENT_ACTION_CAPTURE", "AGENT_ACTION_PAY"], "ttl_seconds": 900, "agent": "amal"})"},
      {"CapturePayment", R"({"amount_minor": "1999"})"},
      {"VoidPayment", "{}"},
      {"RefundPayment", R"({"amount_minor": "500"})"},
      {"CreateWebhookEndpoint", R"({"url": "https://finance.example.com/hooks/flattone", "event_types": ["payment.*", "session.ended"]})"},
      {"UpdateWebhookEndpoint", R"({"url": "https://finance.example.com/hooks/flattone", "event_types": ["payment.*"]})"},
      {"RotateWebhookSecret", "{}"},
      {"ReplayWebhookDeliveries", R"({"from_sequence": "1", "to_sequence": "2"})"},
      {"CreatePlatformTenant", R"({"name": "Corner shop", "max_amount_minor": "100000", "currency_codes": ["EUR"]})"},
      {"SuspendPlatformTenant", "{}"},
      {"ResumePlatformTenant", "{}"},
      {"CreateTenantApiKey", R"({"roles": ["API_KEY_ROLE_SESSIONS"], "description": "agent desktop"})"},
      {"RevokeTenantApiKey", "{}"},
  };
  return *bodies;
}

}  // namespace

std::string ExampleBody(const std::string& method) {
  const auto found = Bodies().find(method);
  return found == Bodies().end() ? std::string() : found->second;
}

}  // namespace flattone::session::rest
