#include "services/gateway-adapter/psp/sandbox.h"

#include <boost/json.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "libs/secret/arena.h"
#include "services/gateway-adapter/psp/json_body.h"

namespace flattone::gateway {
namespace {

using secret::ClearCardAccess;

Instruction OfAdvice(const std::string& advice) {
  static const std::map<std::string, Instruction> words = {
      {"reenter_number", Instruction::kReenterNumber}, {"reenter_expiry", Instruction::kReenterExpiry},
      {"reenter_security_code", Instruction::kReenterSecurityCode}, {"other_card", Instruction::kOtherCard},
      {"call_the_bank", Instruction::kCallTheBank}, {"try_later", Instruction::kTryLater}, {"stop", Instruction::kStop}};
  const auto found = words.find(advice);
  return found == words.end() ? Instruction::kOtherCard : found->second;
}

PspFacts Refused(const Exchange& exchange) {
  PspFacts facts{.answer = Answer::kError, .instruction = Instruction::kTryLater, .raw_code = exchange.Text("error.code")};
  if (exchange.Text("error.field") == "card.number") facts.instruction = Instruction::kReenterNumber;
  if (exchange.Text("error.field") == "card.expiry") facts.instruction = Instruction::kReenterExpiry;
  if (facts.raw_code.empty()) facts.raw_code = absl::StrCat("http_", exchange.code);
  return facts;
}

// What a payment's status says about the attempt that made or changes it.
AskResult OfPayment(const Attempt& attempt, const Exchange& payment) {
  const std::string status = payment.Text("status");
  const int64_t captured = payment.Number("captured_minor"), refunded = payment.Number("refunded_minor");
  AskResult result;
  result.facts.psp_reference = payment.Text("id");
  const auto done = [&result](Answer answer, bool with_capture) {
    result.finding = Finding::kDone;
    result.facts.answer = answer;
    result.facts.captured = with_capture;
  };
  switch (attempt.operation) {
    case Operation::kAuthorise:
      if (status == "authorised" || status == "captured" || status == "refunded") {
        done(Answer::kApproved, captured > 0);
        result.facts.authorisation_code = payment.Text("authorisation_code");
      } else if (status == "voided") {
        done(Answer::kVoided, false);
      } else if (status == "declined") {
        done(Answer::kDeclined, false);
        result.facts.raw_code = payment.Text("decline.code");
        result.facts.instruction = OfAdvice(payment.Text("decline.advice"));
      }
      break;
    case Operation::kCapture:
      if (captured > 0) done(Answer::kApproved, true);
      else if (status == "voided") done(Answer::kError, false);
      else if (status == "authorised") result.finding = Finding::kNothingMoved;
      break;
    case Operation::kVoid:
      if (status == "voided") done(Answer::kApproved, false);
      else if (captured > 0) done(Answer::kError, false);
      else if (status == "authorised") result.finding = Finding::kNothingMoved;
      break;
    case Operation::kRefund:
      // One operation of a payment is live at a time, so the sum tells whether this one was done.
      if (refunded == attempt.refunded_before_minor + attempt.amount_minor) done(Answer::kApproved, false);
      else if (refunded == attempt.refunded_before_minor) result.finding = Finding::kNothingMoved;
      break;
  }
  return result;
}

SendResult OfAnswer(const Attempt& attempt, const Exchange& exchange) {
  if (exchange.sent != Sent::kAnswered) return {exchange.sent, {.raw_code = exchange.why}};
  const std::string error = exchange.Text("error.code");
  if (error == "key_in_use" || error == "key_reused") return {Sent::kUnknown, {.raw_code = error}};
  if (exchange.code < 200 || exchange.code > 299) return {Sent::kAnswered, Refused(exchange)};
  AskResult found = OfPayment(attempt, exchange);
  if (found.finding != Finding::kDone) return {Sent::kUnknown, {.raw_code = "answer_unreadable"}};
  if (!exchange.Text("refund_id").empty()) found.facts.psp_reference = exchange.Text("refund_id");
  return {Sent::kAnswered, std::move(found.facts)};
}

void AddCard(JsonBody& body, const crypto::SecretCard& card) {
  const crypto::ClearCard& clear = card.Reveal(ClearCardAccess("the PSP's request for an authorisation"));
  char expiry[8];
  const int size = std::snprintf(expiry, sizeof expiry, "%02d%02d", clear.expiry_month % 100, clear.expiry_year % 100);
  body.Open("card").Text("number", clear.pan_text()).Text("expiry", std::string_view(expiry, static_cast<size_t>(size)));
  if (clear.security_code_size > 0) body.Text("security_code", clear.security_code_text());
  if (clear.postcode_size > 0) body.Text("postcode", clear.postcode_text());
  body.Close();
  secret::Wipe(expiry, sizeof expiry);
}

}  // namespace

const std::vector<std::string>& SandboxAdapter::credential_fields() const {
  static const std::vector<std::string> fields = {"api_key"};
  return fields;
}

Exchange SandboxAdapter::Post(const Credentials& credentials, const std::string& target, const std::string& key,
                              std::span<const uint8_t> body, std::function<void()> on_connected) {
  ExchangeRequest request{.method = "POST", .target = target, .headers = {}, .body = body, .on_connected = std::move(on_connected)};
  request.headers = {{"Authorization", Bearer(credentials, "api_key")}, {"Content-Type", "application/json"}, {"Idempotency-Key", key}};
  return Talk(client_, endpoint_, std::move(request));
}

Exchange SandboxAdapter::Get(const Credentials& credentials, const std::string& target) {
  ExchangeRequest request{.method = "GET", .target = target, .headers = {}, .body = {}, .on_connected = nullptr};
  request.headers = {{"Authorization", Bearer(credentials, "api_key")}};
  return Talk(client_, endpoint_, std::move(request));
}

SendResult SandboxAdapter::Authorise(const SendRequest& request) {
  const Attempt& a = request.attempt;
  if (request.card == nullptr) return {Sent::kNotSent, {.raw_code = "no_card"}};
  auto body = JsonBody::Create();
  if (!body.ok()) return {Sent::kNotSent, {.raw_code = "secret_memory_full"}};
  body->Text("reference", a.attempt_id).Text("payment_id", a.payment_id).Number("amount_minor", a.amount_minor);
  body->Text("currency", a.currency).Flag("capture", a.capture_now);
  if (!a.order_reference.empty()) body->Text("order_reference", a.order_reference);
  AddCard(*body, *request.card);
  body->Close();
  if (!body->ok()) return {Sent::kNotSent, {.raw_code = "request_too_large"}};
  // Its id is not known before the answer; our reference, which is the attempt's own id, leads to it.
  if (const absl::Status mine = request.checkpoint(""); !mine.ok()) return NotCheckpointed(mine);
  return OfAnswer(a, Post(request.credentials, "/v1/sandbox/payments", a.idempotency_key, body->bytes(), request.on_connected));
}

SendResult SandboxAdapter::Change(const SendRequest& request, const char* verb) {
  const Attempt& a = request.attempt;
  auto body = JsonBody::Create();
  if (!body.ok()) return {Sent::kNotSent, {.raw_code = "secret_memory_full"}};
  if (a.operation != Operation::kVoid) body->Number("amount_minor", a.amount_minor);
  body->Close();
  return OfAnswer(a, Post(request.credentials, absl::StrCat("/v1/sandbox/payments/", http::PercentEncode(a.target_reference), "/", verb),
                          a.idempotency_key, body->bytes(), request.on_connected));
}

SendResult SandboxAdapter::Send(const SendRequest& request) {
  switch (request.attempt.operation) {
    case Operation::kAuthorise: return Authorise(request);
    case Operation::kCapture: return Change(request, "capture");
    case Operation::kVoid: return Change(request, "void");
    case Operation::kRefund: return Change(request, "refund");
  }
  return {};
}

AskResult SandboxAdapter::Ask(const Attempt& attempt, const Credentials& credentials) {
  if (attempt.operation != Operation::kAuthorise) {
    const Exchange payment = Get(credentials, "/v1/sandbox/payments/" + http::PercentEncode(attempt.target_reference));
    if (payment.sent != Sent::kAnswered || payment.code != 200) return {};
    return OfPayment(attempt, payment);
  }
  const Exchange list = Get(credentials, "/v1/sandbox/payments?reference=" + http::PercentEncode(attempt.attempt_id));
  if (list.sent != Sent::kAnswered || list.code != 200) return {};
  const auto* payments = list.json->as_object().if_contains("payments");
  if (payments == nullptr || !payments->is_array()) return {};
  if (payments->get_array().empty()) return {Finding::kNothingMoved, {}};
  Exchange newest;
  newest.json = std::make_unique<boost::json::value>(payments->get_array().back());
  return OfPayment(attempt, newest);
}

FenceResult SandboxAdapter::Fence(const Attempt& attempt, const Credentials& credentials) {
  if (attempt.operation == Operation::kVoid) {
    // A void moves no money towards the merchant: asking for it again is the fence.
    const Exchange exchange = Post(credentials, absl::StrCat("/v1/sandbox/payments/", http::PercentEncode(attempt.target_reference), "/void"),
                                   absl::StrCat(attempt.idempotency_key, "-fence-", attempt.asked),
                                   std::span(reinterpret_cast<const uint8_t*>("{}"), 2));
    const SendResult result = OfAnswer(attempt, exchange);
    if (result.sent == Sent::kAnswered && result.facts.answer == Answer::kApproved) return {FenceFinding::kFenced, result.facts};
    return {result.facts.raw_code == "wrong_state" ? FenceFinding::kTooLate : FenceFinding::kNoNews, {}};
  }
  if (attempt.operation != Operation::kAuthorise) return {};
  auto body = JsonBody::Create();
  if (!body.ok()) return {};
  body->Text("reference", attempt.attempt_id).Close();
  // A key for each question: a stored 500 would be replayed for ever.
  const Exchange exchange = Post(credentials, "/v1/sandbox/fences", absl::StrCat(attempt.idempotency_key, "-fence-", attempt.asked), body->bytes());
  if (exchange.sent != Sent::kAnswered || exchange.code != 200) return {};
  const std::string status = exchange.Text("status");
  if (status != "fenced" && status != "voided") return {FenceFinding::kTooLate, {}};
  return {FenceFinding::kFenced, {.raw_code = status}};
}

}  // namespace flattone::gateway
