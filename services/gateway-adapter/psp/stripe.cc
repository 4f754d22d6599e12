#include "services/gateway-adapter/psp/stripe.h"

#include <boost/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/gateway-adapter/psp/form.h"
#include "services/gateway-adapter/psp/stripe_codes.h"

namespace flattone::gateway {
namespace {

using secret::ClearCardAccess;

// An answer that refuses: the reason in the ledger's words. Declines are 402; the rest refuses the request
// itself, and no money moved either.
PspFacts Refused(const Exchange& exchange, const char* prefix = "error.") {
  const std::string code = exchange.Text(absl::StrCat(prefix, "code"));
  const std::string decline = exchange.Text(absl::StrCat(prefix, "decline_code"));
  const std::string type = exchange.Text(absl::StrCat(prefix, "type"));
  PspFacts facts;
  facts.answer = type == "card_error" ? Answer::kDeclined : Answer::kError;
  facts.instruction = StripeInstruction(code, decline, exchange.Text(absl::StrCat(prefix, "advice_code")));
  facts.raw_code = !decline.empty() ? absl::StrCat(code, "/", decline) : !code.empty() ? code : type;
  if (facts.raw_code.empty()) facts.raw_code = absl::StrCat("http_", exchange.code);
  return facts;
}

// Two requests under one key at once (409), or one key with another body: the PSP has a request of ours that
// this answer does not speak of.
bool KeyInUse(const Exchange& exchange) {
  return exchange.code == 409 || exchange.Text("error.type") == "idempotency_error" ||
         exchange.Text("error.code") == "idempotency_key_in_use";
}

SendResult Answered(PspFacts facts) { return {Sent::kAnswered, std::move(facts)}; }
SendResult Silent(const Exchange& exchange) { return {exchange.sent, {.raw_code = exchange.why}}; }

// For a step before money moves: whatever went wrong, nothing was charged and nothing will be.
SendResult NothingCharged(const Exchange& exchange) {
  if (exchange.sent == Sent::kAnswered) return Answered(Refused(exchange));
  if (exchange.sent == Sent::kNotSent) return Silent(exchange);
  return Answered({.answer = Answer::kError, .instruction = Instruction::kTryLater, .raw_code = "before_charge/" + exchange.why});
}

// What an intent's status says about the attempt that made or changes it.
AskResult OfIntent(const Attempt& attempt, const Exchange& intent) {
  const std::string status = intent.Text("status");
  AskResult result;
  result.facts.psp_reference = intent.Text("id");
  const bool succeeded = status == "succeeded", authorised = status == "requires_capture", canceled = status == "canceled";
  const auto done = [&result](Answer answer, bool captured) {
    result.finding = Finding::kDone;
    result.facts.answer = answer;
    result.facts.captured = captured;
  };
  switch (attempt.operation) {
    case Operation::kAuthorise:
      if (succeeded || authorised) {
        done(Answer::kApproved, succeeded);
        result.facts.authorisation_code = intent.Text("latest_charge.payment_method_details.card.authorization_code");
      }
      else if (canceled) done(Answer::kVoided, false);
      else if (status == "requires_payment_method" && intent.Has("last_payment_error")) {
        result.finding = Finding::kDone;
        result.facts = Refused(intent, "last_payment_error.");
        result.facts.psp_reference = intent.Text("id");
      } else if (status == "requires_payment_method" || status == "requires_confirmation") {
        result.finding = Finding::kNothingMoved;
      }
      break;
    case Operation::kCapture:
      if (succeeded) done(Answer::kApproved, true);
      else if (canceled) done(Answer::kError, false);
      else if (authorised) result.finding = Finding::kNothingMoved;
      break;
    case Operation::kVoid:
      if (canceled) done(Answer::kApproved, false);
      else if (succeeded) done(Answer::kError, false);
      else if (authorised) result.finding = Finding::kNothingMoved;
      break;
    case Operation::kRefund:
      break;
  }
  return result;
}

// An answer to a POST on an intent: 2xx carries the intent, anything else an error.
SendResult OfChange(const Attempt& attempt, const Exchange& exchange) {
  if (exchange.sent != Sent::kAnswered) return Silent(exchange);
  if (KeyInUse(exchange)) return {Sent::kUnknown, {.raw_code = "key_in_use"}};
  if (exchange.code < 200 || exchange.code > 299) {
    PspFacts facts = Refused(exchange);
    facts.psp_reference = exchange.Text("error.payment_intent.id");
    return Answered(std::move(facts));
  }
  AskResult found = OfIntent(attempt, exchange);
  if (found.finding == Finding::kDone) return Answered(std::move(found.facts));
  // "processing", "requires_action": Stripe itself does not know yet.
  found.facts.raw_code = "status/" + exchange.Text("status");
  return {Sent::kUnknown, std::move(found.facts)};
}

void AddCard(FormBody& body, const crypto::SecretCard& card) {
  const crypto::ClearCard& clear = card.Reveal(ClearCardAccess("the PSP's request for a payment method"));
  body.Add("type", "card");
  body.Add("card[number]", clear.pan_text());
  body.Add("card[exp_month]", clear.expiry_month);
  body.Add("card[exp_year]", 2000 + clear.expiry_year);
  if (clear.security_code_size > 0) body.Add("card[cvc]", clear.security_code_text());
  if (clear.postcode_size > 0) body.Add("billing_details[address][postal_code]", clear.postcode_text());
}

// An id comes from the PSP or an operator: it names an intent, never another path.
std::string IntentPath(const std::string& id, const char* rest) {
  return absl::StrCat("/v1/payment_intents/", http::PercentEncode(id), rest);
}

SendResult NoMemory() { return {Sent::kNotSent, {.raw_code = "secret_memory_full"}}; }

}  // namespace

const std::vector<std::string>& StripeAdapter::credential_fields() const {
  static const std::vector<std::string> fields = {"secret_key"};
  return fields;
}

Exchange StripeAdapter::Post(const Attempt& attempt, const Credentials& credentials, const std::string& target, const char* step,
                             std::span<const uint8_t> body, std::function<void()> on_connected) {
  ExchangeRequest request{.method = "POST", .target = target, .headers = {}, .body = body, .on_connected = std::move(on_connected)};
  request.headers = {{"Authorization", Bearer(credentials, "secret_key")},
                     {"Content-Type", "application/x-www-form-urlencoded"},
                     {"Idempotency-Key", absl::StrCat(attempt.idempotency_key, "-", step)}};
  return Talk(client_, endpoint_, std::move(request));
}

Exchange StripeAdapter::Get(const Credentials& credentials, const std::string& target) {
  ExchangeRequest request{.method = "GET", .target = target, .headers = {}, .body = {}, .on_connected = nullptr};
  request.headers = {{"Authorization", Bearer(credentials, "secret_key")}};
  return Talk(client_, endpoint_, std::move(request));
}

std::string StripeAdapter::MakeMethod(const SendRequest& request, SendResult& result) {
  auto body = FormBody::Create();
  if (!body.ok()) return result = NoMemory(), "";
  AddCard(*body, *request.card);
  if (!body->ok()) return result = NoMemory(), "";
  const Exchange exchange = Post(request.attempt, request.credentials, "/v1/payment_methods", "method", body->bytes());
  const std::string id = exchange.sent == Sent::kAnswered && exchange.code < 300 ? exchange.Text("id") : "";
  if (id.empty()) result = NothingCharged(exchange);
  return id;
}

std::string StripeAdapter::MakeIntent(const SendRequest& request, SendResult& result) {
  const Attempt& a = request.attempt;
  auto body = FormBody::Create();
  if (!body.ok()) return result = NoMemory(), "";
  body->Add("amount", a.amount_minor);
  body->Add("currency", absl::AsciiStrToLower(a.currency));
  body->Add("capture_method", a.capture_now ? "automatic" : "manual");
  body->Add("payment_method_types[]", "card");
  body->Add("metadata[reference]", a.attempt_id);
  body->Add("metadata[payment_id]", a.payment_id);
  if (!a.order_reference.empty()) body->Add("metadata[order_reference]", a.order_reference);
  const Exchange exchange = Post(a, request.credentials, "/v1/payment_intents", "intent", body->bytes());
  const std::string id = exchange.sent == Sent::kAnswered && exchange.code < 300 ? exchange.Text("id") : "";
  if (id.empty()) result = NothingCharged(exchange);
  return id;
}

SendResult StripeAdapter::Authorise(const SendRequest& request) {
  SendResult result;
  const std::string method = MakeMethod(request, result);
  if (method.empty()) return result;
  const std::string intent = MakeIntent(request, result);
  if (intent.empty()) return result;
  auto body = FormBody::Create();
  if (!body.ok()) return NoMemory();
  body->Add("payment_method", method);
  body->Add("payment_method_options[card][moto]", "true");
  body->Add("expand[]", "latest_charge");  // the issuer's authorisation code is in it
  if (const absl::Status mine = request.checkpoint(intent); !mine.ok()) return NotCheckpointed(mine);
  result = OfChange(request.attempt, Post(request.attempt, request.credentials, IntentPath(intent, "/confirm"), "confirm", body->bytes(),
                                          request.on_connected));
  if (result.facts.psp_reference.empty()) result.facts.psp_reference = intent;
  return result;
}

SendResult StripeAdapter::Capture(const SendRequest& request) {
  auto body = FormBody::Create();
  if (!body.ok()) return NoMemory();
  body->Add("amount_to_capture", request.attempt.amount_minor);
  return OfChange(request.attempt, Post(request.attempt, request.credentials, IntentPath(request.attempt.target_reference, "/capture"),
                                        "capture", body->bytes(), request.on_connected));
}

SendResult StripeAdapter::Void(const SendRequest& request) {
  return OfChange(request.attempt, Post(request.attempt, request.credentials, IntentPath(request.attempt.target_reference, "/cancel"),
                                        "cancel", {}, request.on_connected));
}

namespace {

PspFacts OfRefund(const std::string& id, const std::string& status, const std::string& reason) {
  PspFacts facts;
  facts.psp_reference = id;
  const bool refused = status == "failed" || status == "canceled";
  facts.answer = refused ? Answer::kDeclined : Answer::kApproved;
  if (refused) {
    facts.instruction = Instruction::kTryLater;
    facts.raw_code = reason.empty() ? status : reason;
  }
  return facts;
}

}  // namespace

SendResult StripeAdapter::Refund(const SendRequest& request) {
  auto body = FormBody::Create();
  if (!body.ok()) return NoMemory();
  body->Add("payment_intent", request.attempt.target_reference);
  body->Add("amount", request.attempt.amount_minor);
  body->Add("metadata[reference]", request.attempt.attempt_id);
  const Exchange exchange = Post(request.attempt, request.credentials, "/v1/refunds", "refund", body->bytes(), request.on_connected);
  if (exchange.sent != Sent::kAnswered) return Silent(exchange);
  if (KeyInUse(exchange)) return {Sent::kUnknown, {.raw_code = "key_in_use"}};
  if (exchange.code < 200 || exchange.code > 299) return Answered(Refused(exchange));
  if (exchange.Text("id").empty()) return {Sent::kUnknown, {.raw_code = "answer_unreadable"}};
  return Answered(OfRefund(exchange.Text("id"), exchange.Text("status"), exchange.Text("failure_reason")));
}

SendResult StripeAdapter::Send(const SendRequest& request) {
  switch (request.attempt.operation) {
    case Operation::kAuthorise:
      return request.card != nullptr ? Authorise(request) : SendResult{Sent::kNotSent, {.raw_code = "no_card"}};
    case Operation::kCapture: return Capture(request);
    case Operation::kVoid: return Void(request);
    case Operation::kRefund: return Refund(request);
  }
  return {};
}

AskResult StripeAdapter::AskRefund(const Attempt& attempt, const Credentials& credentials) {
  const Exchange list = Get(credentials, absl::StrCat("/v1/refunds?limit=100&payment_intent=", http::PercentEncode(attempt.target_reference)));
  if (list.sent != Sent::kAnswered || list.code != 200) return {};
  const auto* object = list.json->if_object();
  const auto* data = object->if_contains("data");
  if (data == nullptr || !data->is_array()) return {};
  for (const boost::json::value& refund : data->get_array()) {
    Exchange one;
    one.json = std::make_unique<boost::json::value>(refund);
    if (one.Text("metadata.reference") != attempt.attempt_id) continue;
    return {Finding::kDone, OfRefund(one.Text("id"), one.Text("status"), one.Text("failure_reason"))};
  }
  // A hundred refunds of one payment and more behind them: ours may be on the next page.
  if (list.Flag("has_more")) return {};
  return {Finding::kNothingMoved, {}};
}

AskResult StripeAdapter::Ask(const Attempt& attempt, const Credentials& credentials) {
  if (attempt.operation == Operation::kRefund) return AskRefund(attempt, credentials);
  const std::string& intent = attempt.operation == Operation::kAuthorise ? attempt.psp_reference : attempt.target_reference;
  if (intent.empty()) return {Finding::kNothingMoved, {}};
  const Exchange exchange = Get(credentials, IntentPath(intent, "?expand%5B%5D=latest_charge"));
  if (exchange.sent != Sent::kAnswered || exchange.code != 200) return {};
  return OfIntent(attempt, exchange);
}

FenceResult StripeAdapter::Fence(const Attempt& attempt, const Credentials& credentials) {
  const bool authorise = attempt.operation == Operation::kAuthorise;
  if (!authorise && attempt.operation != Operation::kVoid) return {};
  const std::string& intent = authorise ? attempt.psp_reference : attempt.target_reference;
  if (intent.empty()) return {FenceFinding::kFenced, {.raw_code = "never_confirmed"}};
  // A key for each question: a stored 500 would be replayed for ever.
  const Exchange exchange = Post(attempt, credentials, IntentPath(intent, "/cancel"), absl::StrCat("fence-", attempt.asked).c_str(), {});
  if (exchange.sent != Sent::kAnswered) return {};
  if (exchange.code == 200 && exchange.Text("status") == "canceled") {
    return {FenceFinding::kFenced, {.psp_reference = intent, .raw_code = "fenced"}};
  }
  // Cancelling what succeeded, or what is cancelled already, is refused with the intent's state.
  if (exchange.Text("error.code") == "payment_intent_unexpected_state") return {FenceFinding::kTooLate, {}};
  return {};
}

}  // namespace flattone::gateway
