#include "tools/sandbox-psp/stripe_shapes.h"

#include "absl/strings/str_cat.h"

namespace flattone::sandbox::stripe {
namespace {

namespace json = boost::json;

// The members that never change here; the others are set over them.
constexpr char kIntent[] = R"({"id":"","object":"payment_intent","amount":0,"amount_capturable":0,
"amount_details":{"tip":{}},"amount_received":0,"application":null,"application_fee_amount":null,
"automatic_payment_methods":null,"canceled_at":null,"cancellation_reason":null,"capture_method":"automatic",
"client_secret":null,"confirmation_method":"automatic","created":0,"currency":"","customer":null,"description":null,
"excluded_payment_method_types":null,"last_payment_error":null,"latest_charge":null,"livemode":false,"metadata":{},"next_action":null,
"on_behalf_of":null,"payment_method":null,"payment_method_configuration_details":null,
"payment_method_options":{"card":{"installments":null,"mandate_options":null,"network":null,
"request_three_d_secure":"automatic"}},"payment_method_types":["card"],"processing":null,"receipt_email":null,
"review":null,"setup_future_usage":null,"shipping":null,"source":null,"statement_descriptor":null,
"statement_descriptor_suffix":null,"status":"","transfer_data":null,"transfer_group":null})";

constexpr char kMethod[] = R"({"id":"","object":"payment_method","allow_redisplay":"unspecified",
"billing_details":{"address":{"city":null,"country":null,"line1":null,"line2":null,"postal_code":null,"state":null},
"email":null,"name":null,"phone":null,"tax_id":null},"card":{},"created":0,"customer":null,"livemode":false,"metadata":{},
"type":"card"})";

constexpr char kMethodCard[] = R"({"brand":"","checks":{"address_line1_check":null,"address_postal_code_check":null,
"cvc_check":"unchecked"},"country":"US","display_brand":"","exp_month":0,"exp_year":0,"fingerprint":"","funding":"credit",
"generated_from":null,"last4":"","networks":{"available":[],"preferred":null},
"regulated_status":null,"three_d_secure_usage":{"supported":true},"wallet":null})";

constexpr char kCharge[] = R"({"id":"","object":"charge","amount":0,"amount_captured":0,"amount_refunded":0,
"application":null,"application_fee":null,"application_fee_amount":null,"balance_transaction":null,
"billing_details":{"address":{"city":null,"country":null,"line1":null,"line2":null,"postal_code":null,"state":null},
"email":null,"name":null,"phone":null,"tax_id":null},"calculated_statement_descriptor":"SANDBOX","captured":false,"created":0,
"currency":"","customer":null,"description":null,"disputed":false,"failure_balance_transaction":null,
"failure_code":null,"failure_message":null,"fraud_details":{},"livemode":false,"metadata":{},
"on_behalf_of":null,"outcome":null,"paid":false,"payment_intent":"","payment_method":"","payment_method_details":{},
"receipt_email":null,"receipt_number":null,"receipt_url":null,"refunded":false,"review":null,"shipping":null,
"source_transfer":null,"statement_descriptor":null,"statement_descriptor_suffix":null,"status":"",
"transfer_data":null,"transfer_group":null})";

json::object Template(const char* text) { return json::parse(text).as_object(); }

json::object Metadata(const std::map<std::string, std::string>& metadata) {
  json::object out;
  for (const auto& entry : metadata) out[entry.first] = entry.second;
  return out;
}

const Decline* DeclineOf(const Payment& payment) {
  const MagicCard* magic = FindMagic(payment.decline);
  return magic != nullptr && magic->decline.has_value() ? &*magic->decline : nullptr;
}

// Not the number's: the sandbox does not keep what could be compared.
std::string Fingerprint(const CardFacts& card) { return absl::StrCat("fp", card.bin, card.last_four); }

}  // namespace

std::string_view IntentStatus(const Payment& payment) {
  switch (payment.status) {
    case PaymentStatus::kNeedsMethod:
    case PaymentStatus::kDeclined: return "requires_payment_method";
    case PaymentStatus::kNeedsConfirmation: return "requires_confirmation";
    case PaymentStatus::kNeedsAction: return "requires_action";
    case PaymentStatus::kAuthorised: return "requires_capture";
    case PaymentStatus::kCaptured: return "succeeded";
    case PaymentStatus::kVoided: return "canceled";
  }
  return "processing";
}

json::object MethodJson(const Method& method) {
  json::object out = Template(kMethod);
  json::object card = Template(kMethodCard);
  card["brand"] = method.card.brand;
  card["display_brand"] = method.card.brand;
  card["exp_month"] = method.card.expiry_month;
  card["exp_year"] = method.card.expiry_year;
  card["fingerprint"] = Fingerprint(method.card);
  card["last4"] = method.card.last_four;
  card["networks"].as_object()["available"] = json::array{method.card.brand};
  out["id"] = method.id;
  out["card"] = std::move(card);
  out["created"] = method.created_at;
  out["metadata"] = Metadata(method.metadata);
  return out;
}

json::object DeclineError(const Payment& payment) {
  json::object error{{"type", "card_error"}, {"code", "card_declined"}, {"message", "Your card was declined."}};
  if (const Decline* decline = DeclineOf(payment)) {
    error["code"] = decline->code;
    if (!decline->decline_code.empty()) error["decline_code"] = decline->decline_code;
    if (!decline->stripe_advice.empty()) error["advice_code"] = decline->stripe_advice;
    if (!decline->network_advice.empty()) error["network_advice_code"] = decline->network_advice;
    error["network_decline_code"] = decline->network_code;
  }
  if (!payment.charge.empty()) error["charge"] = payment.charge;
  error["doc_url"] = "https://stripe.com/docs/error-codes/" + std::string(error["code"].as_string().c_str());
  return error;
}

json::object ChargeJson(const Payment& payment) {
  const bool declined = payment.status == PaymentStatus::kDeclined;
  json::object out = Template(kCharge);
  out["id"] = payment.charge;
  out["amount"] = payment.amount_minor;
  out["amount_captured"] = payment.captured_minor;
  out["amount_refunded"] = payment.refunded_minor;
  out["captured"] = payment.status == PaymentStatus::kCaptured;
  out["created"] = payment.created_at;
  out["currency"] = payment.currency;
  out["metadata"] = Metadata(payment.metadata);
  out["paid"] = !declined;
  out["payment_intent"] = payment.id;
  out["payment_method"] = payment.method;
  out["refunded"] = payment.captured_minor > 0 && payment.refunded_minor == payment.captured_minor;
  out["status"] = declined ? "failed" : "succeeded";
  json::object card{{"amount_authorized", payment.amount_minor},
                    {"authorization_code", nullptr},
                    {"brand", payment.card.brand},
                    {"checks", {{"address_line1_check", nullptr}, {"address_postal_code_check", nullptr}, {"cvc_check", "pass"}}},
                    {"country", "US"},
                    {"exp_month", payment.card.expiry_month},
                    {"exp_year", payment.card.expiry_year},
                    {"fingerprint", Fingerprint(payment.card)},
                    {"funding", "credit"},
                    {"last4", payment.card.last_four},
                    {"moto", true},
                    {"network", payment.card.brand},
                    {"three_d_secure", nullptr},
                    {"wallet", nullptr}};
  if (!payment.authorisation_code.empty()) card["authorization_code"] = payment.authorisation_code;
  out["payment_method_details"] = json::object{{"card", std::move(card)}, {"type", "card"}};
  json::object outcome{{"advice_code", nullptr},
                       {"network_advice_code", nullptr},
                       {"network_decline_code", nullptr},
                       {"network_status", declined ? "declined_by_network" : "approved_by_network"},
                       {"reason", nullptr},
                       {"risk_level", "normal"},
                       {"seller_message", declined ? "The bank declined the payment." : "Payment complete."},
                       {"type", declined ? "issuer_declined" : "authorized"}};
  if (const Decline* decline = declined ? DeclineOf(payment) : nullptr) {
    out["failure_code"] = decline->code;
    out["failure_message"] = "Your card was declined.";
    outcome["reason"] = decline->word();
    outcome["network_decline_code"] = decline->network_code;
    if (!decline->stripe_advice.empty()) outcome["advice_code"] = decline->stripe_advice;
    if (!decline->network_advice.empty()) outcome["network_advice_code"] = decline->network_advice;
  }
  out["outcome"] = std::move(outcome);
  return out;
}

json::object IntentJson(const Payment& payment, bool expand_charge) {
  json::object out = Template(kIntent);
  out["id"] = payment.id;
  out["amount"] = payment.amount_minor;
  out["amount_capturable"] = payment.status == PaymentStatus::kAuthorised ? payment.amount_minor : 0;
  out["amount_received"] = payment.captured_minor;
  out["capture_method"] = payment.capture_now ? "automatic" : "manual";
  out["client_secret"] = payment.id + "_secret_sandbox";
  out["created"] = payment.created_at;
  out["currency"] = payment.currency;
  out["metadata"] = Metadata(payment.metadata);
  out["status"] = std::string(IntentStatus(payment));
  if (!payment.order_reference.empty()) out["description"] = payment.order_reference;
  if (!payment.charge.empty()) {
    out["latest_charge"] = expand_charge ? json::value(ChargeJson(payment)) : json::value(payment.charge);
  }
  if (payment.status == PaymentStatus::kDeclined) {
    out["last_payment_error"] = DeclineError(payment);
  } else if (!payment.method.empty()) {
    out["payment_method"] = payment.method;
  }
  if (payment.status == PaymentStatus::kVoided) out["canceled_at"] = payment.voided_at;
  if (payment.status == PaymentStatus::kNeedsAction) {
    out["next_action"] = json::object{{"type", "use_stripe_sdk"}, {"use_stripe_sdk", json::object{}}};
  }
  return out;
}

json::object RefundJson(const Refund& refund, const Payment& payment) {
  return {{"id", refund.id},
          {"object", "refund"},
          {"amount", refund.amount_minor},
          {"balance_transaction", nullptr},
          {"charge", refund.charge},
          {"created", refund.at},
          {"currency", payment.currency},
          {"destination_details", {{"card", {{"type", "refund"}}}, {"type", "card"}}},
          {"metadata", Metadata(refund.metadata)},
          {"payment_intent", refund.payment},
          {"reason", nullptr},
          {"receipt_number", nullptr},
          {"source_transfer_reversal", nullptr},
          {"status", "succeeded"},
          {"transfer_reversal", nullptr}};
}

}  // namespace flattone::sandbox::stripe
