#include "services/session-orchestration/webhook/payload.h"

#include <boost/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace flattone::session {
namespace {

namespace json = boost::json;

// PAYMENT_STATE_CAPTURED → "captured".
std::string Word(const std::string& name, std::string_view prefix) {
  const std::string word = absl::AsciiStrToLower(name.substr(std::min(name.size(), prefix.size())));
  return word == "unspecified" ? "" : word;
}

void Put(json::object* out, const char* name, const std::string& value) {
  if (!value.empty()) (*out)[name] = value;
}

json::object PaymentData(const v1::Payment& payment) {
  json::object out{{"payment_id", payment.id()}, {"session_id", payment.session_id()}};
  Put(&out, "order_reference", payment.order_reference());
  Put(&out, "state", Word(v1::PaymentState_Name(payment.state()), "PAYMENT_STATE_"));
  Put(&out, "purpose", Word(v1::Purpose_Name(payment.purpose()), "PURPOSE_"));
  if (payment.has_amount()) {
    out["amount_minor"] = payment.amount().amount_minor();
    out["currency"] = payment.amount().currency_code();
  }
  out["captured_minor"] = payment.captured_minor();
  out["refunded_minor"] = payment.refunded_minor();
  Put(&out, "psp", payment.psp());
  Put(&out, "psp_reference", payment.psp_reference());
  Put(&out, "authorisation_code", payment.authorisation_code());
  Put(&out, "brand", Word(flattone::common::v1::CardBrand_Name(payment.brand()), "CARD_BRAND_"));
  Put(&out, "last_four", payment.last_four());
  Put(&out, "instruction", Word(flattone::common::v1::Instruction_Name(payment.instruction()), "INSTRUCTION_"));
  Put(&out, "token_id", payment.token_id());
  Put(&out, "agent", payment.agent());
  if (payment.void_if_approved()) out["void_if_approved"] = true;
  json::object metadata;
  // A map has no order of its own; the bytes of a payload must not change from try to try.
  std::map<std::string, std::string> sorted(payment.metadata().begin(), payment.metadata().end());
  for (const auto& entry : sorted) metadata[entry.first] = entry.second;
  out["metadata"] = std::move(metadata);
  return out;
}

json::object SessionData(const v1::Event& event) {
  json::object out{{"session_id", event.session_id()}};
  Put(&out, "state", Word(v1::SessionState_Name(event.session().state()), "SESSION_STATE_"));
  Put(&out, "call_reference", event.session().call_reference());
  Put(&out, "agent", event.session().agent());
  Put(&out, "end_reason", event.session().end_reason());
  return out;
}

}  // namespace

absl::StatusOr<std::string> WebhookPayload(const v1::Event& event, int64_t sequence) {
  json::object payload{{"id", event.id()},
                       {"type", event.type()},
                       {"timestamp", event.time()},
                       {"livemode", event.mode() == flattone::common::v1::MODE_LIVE},
                       {"sequence", sequence},
                       {"tenant_sequence", event.tenant_sequence()}};
  payload["data"] = event.has_payment() ? PaymentData(event.payment()) : SessionData(event);
  std::string text = json::serialize(payload);
  if (text.size() > kMaxPayload) return absl::InternalError(absl::StrCat("payload of event ", event.id(), " is over 20 KB"));
  return text;
}

}  // namespace flattone::session
