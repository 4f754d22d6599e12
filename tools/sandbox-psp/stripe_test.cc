#include "libs/testing/catch.h"
#include "tools/sandbox-psp/psp_harness.h"

namespace flattone::sandbox {
namespace {

using http::Reach;

const char kMoto[] = "payment_method_options[card][moto]=true";

std::string Text(const boost::json::value& value, const char* pointer) {
  boost::json::error_code error;
  const boost::json::value* found = value.find_pointer(pointer, error);
  return found != nullptr && found->is_string() ? found->as_string().c_str() : "";
}

std::string NewMethod(Harness& psp, const std::string& number) {
  const Answer method = psp.Stripe("POST", "/v1/payment_methods",
                                   "type=card&card[number]=" + number + "&card[exp_month]=12&card[exp_year]=2030&card[cvc]=737");
  CHECK(method.code == 200);
  return Text(method.body, "/id");
}
std::string NewIntent(Harness& psp, const std::string& more = "", const std::string& key = "") {
  const Answer intent = psp.Stripe("POST", "/v1/payment_intents",
                                   "amount=1250&currency=eur&payment_method_types[]=card&metadata[payment_id]=pay_1" + more, key);
  CHECK(intent.code == 200);
  CHECK(Text(intent.body, "/status") == "requires_payment_method");
  return Text(intent.body, "/id");
}

}  // namespace

TEST_CASE("Stripe: unconfirmed intent, confirm with moto, capture later, refund", "[sandbox]") {
  Harness psp;
  const std::string method = NewMethod(psp, "4242424242424242");
  const std::string intent = "/v1/payment_intents/" + NewIntent(psp, "&capture_method=manual");
  const Answer confirmed = psp.Stripe("POST", intent + "/confirm",
                                      "payment_method=" + method + "&" + kMoto + "&expand[]=latest_charge", "c1");
  CHECK(confirmed.code == 200);
  CHECK(Text(confirmed.body, "/status") == "requires_capture");
  CHECK(Text(confirmed.body, "/latest_charge/payment_method_details/card/authorization_code").size() == 6);
  CHECK(psp.Stripe("POST", "/v1/refunds", "payment_intent=" + Text(confirmed.body, "/id")).code == 400);
  CHECK(Text(psp.Stripe("POST", intent + "/capture", "amount_to_capture=1000").body, "/status") == "succeeded");
  CHECK(Text(psp.Stripe("POST", intent + "/cancel").body, "/error/code") == "payment_intent_unexpected_state");
  const Answer refund = psp.Stripe("POST", "/v1/refunds", "payment_intent=" + Text(confirmed.body, "/id") + "&amount=400", "r1");
  CHECK(Text(refund.body, "/status") == "succeeded");
  CHECK(Text(psp.Stripe("GET", "/v1/refunds/" + Text(refund.body, "/id")).body, "/object") == "refund");
  CHECK(psp.Stripe("POST", "/v1/refunds", "payment_intent=" + Text(confirmed.body, "/id") + "&amount=601").code == 400);
  CHECK(psp.Charges() == 1);
}

TEST_CASE("Stripe: a decline is 402 with codes and the intent, which waits for another method", "[sandbox]") {
  Harness psp;
  const std::string intent = "/v1/payment_intents/" + NewIntent(psp);
  const Answer declined = psp.Stripe("POST", intent + "/confirm",
                                     "payment_method=" + NewMethod(psp, "4000000000009995") + "&" + kMoto, "c1");
  CHECK(declined.code == 402);
  CHECK(Text(declined.body, "/error/type") == "card_error");
  CHECK(Text(declined.body, "/error/code") == "card_declined");
  CHECK(Text(declined.body, "/error/decline_code") == "insufficient_funds");
  CHECK(Text(declined.body, "/error/advice_code") == "try_again_later");
  CHECK(Text(declined.body, "/error/payment_intent/status") == "requires_payment_method");
  CHECK(psp.Charges() == 0);
  CHECK(Text(psp.Stripe("GET", intent).body, "/last_payment_error/decline_code") == "insufficient_funds");
  const Answer paid = psp.Stripe("POST", intent + "/confirm",
                                 "payment_method=" + NewMethod(psp, "4242424242424242") + "&" + kMoto, "c2");
  CHECK(Text(paid.body, "/status") == "succeeded");
  CHECK(psp.Charges() == 1);
}

TEST_CASE("Stripe: without moto the intent asks for an action that a caller cannot take", "[sandbox]") {
  Harness psp;
  const std::string intent = "/v1/payment_intents/" + NewIntent(psp);
  const Answer answer = psp.Stripe("POST", intent + "/confirm", "payment_method=" + NewMethod(psp, "4242424242424242"));
  CHECK(Text(answer.body, "/status") == "requires_action");
  CHECK(psp.Charges() == 0);
  CHECK(Text(psp.Stripe("POST", intent + "/cancel").body, "/status") == "canceled");
}

TEST_CASE("Stripe: a cancelled intent cannot be confirmed: the fence holds", "[sandbox]") {
  Harness psp;
  const std::string intent = "/v1/payment_intents/" + NewIntent(psp);
  CHECK(Text(psp.Stripe("POST", intent + "/cancel").body, "/status") == "canceled");
  const Answer late = psp.Stripe("POST", intent + "/confirm",
                                 "payment_method=" + NewMethod(psp, "4242424242424242") + "&" + kMoto);
  CHECK(late.code == 400);
  CHECK(Text(late.body, "/error/payment_intent/status") == "canceled");
  CHECK(psp.Charges() == 0);
}

TEST_CASE("Stripe: a saved 500 is replayed though the money moved", "[sandbox]") {
  Harness psp;
  const std::string intent = "/v1/payment_intents/" + NewIntent(psp);
  const std::string body = "payment_method=" + NewMethod(psp, "4242424242424242") + "&" + kMoto;
  psp.Admin("POST", "faults", "{\"fault\":\"stored_500\",\"operation\":\"authorise\"}");
  CHECK(psp.Stripe("POST", intent + "/confirm", body, "c1").code == 500);
  const Answer again = psp.Stripe("POST", intent + "/confirm", body, "c1");
  CHECK(again.code == 500);
  CHECK(again.replayed);
  CHECK(Text(psp.Stripe("GET", intent).body, "/status") == "succeeded");
  CHECK(psp.Charges() == 1);
}

TEST_CASE("Stripe: a key with another body is an idempotency error", "[sandbox]") {
  Harness psp;
  NewIntent(psp, "", "i1");
  const Answer other = psp.Stripe("POST", "/v1/payment_intents", "amount=9&currency=eur", "i1");
  CHECK(other.code == 400);
  CHECK(Text(other.body, "/error/type") == "idempotency_error");
}

TEST_CASE("Stripe: wrong cards and wrong parameters are refused as Stripe does", "[sandbox]") {
  Harness psp;
  auto method = [&](const std::string& card) { return psp.Stripe("POST", "/v1/payment_methods", "type=card&" + card); };
  CHECK(Text(method("card[number]=4242424242424241&card[exp_month]=1&card[exp_year]=2030").body, "/error/code") == "incorrect_number");
  CHECK(Text(method("card[number]=4242424242424242&card[exp_month]=13&card[exp_year]=2030").body, "/error/code") == "invalid_expiry_month");
  CHECK(Text(method("card[number]=4242424242424242&card[exp_month]=1&card[exp_year]=2020").body, "/error/code") == "invalid_expiry_year");
  CHECK(Text(method("card[number]=4242424242424242&card[exp_month]=1&card[exp_year]=30&card[cvc]=1").body, "/error/code") == "invalid_cvc");
  CHECK(Text(method("cart=1").body, "/error/code") == "parameter_unknown");
  CHECK(Text(psp.Stripe("POST", "/v1/payment_intents", "amount=1.5&currency=eur").body, "/error/param") == "amount");
  CHECK(Text(psp.Stripe("GET", "/v1/payment_intents/pi_nope").body, "/error/code") == "resource_missing");
  CHECK(psp.Send(*psp.server, "GET", "/v1/payment_intents/pi_x", "", "", "sk_live_1").code == 401);
}

}  // namespace flattone::sandbox
