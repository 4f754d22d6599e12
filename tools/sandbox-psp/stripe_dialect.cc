// Stripe's wire format: form-encoded requests, JSON answers, 402 declines (README.md).
#include <algorithm>
#include <boost/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/error.h"
#include "tools/sandbox-psp/dialect.h"
#include "tools/sandbox-psp/stripe_form.h"
#include "tools/sandbox-psp/stripe_shapes.h"

namespace flattone::sandbox {
namespace {

namespace json = boost::json;

Reply StripeError(int status, json::object error) {
  return {status, json::serialize(json::object{{"error", std::move(error)}})};
}
Reply Invalid(std::string_view message, std::string_view param = "", std::string_view code = "") {
  json::object error{{"type", "invalid_request_error"}, {"message", std::string(message)}};
  if (!param.empty()) error["param"] = std::string(param);
  if (!code.empty()) error["code"] = std::string(code);
  return StripeError(400, std::move(error));
}
Reply Missing(std::string_view what, std::string_view id, std::string_view param) {
  return StripeError(404, {{"type", "invalid_request_error"},
                           {"code", "resource_missing"},
                           {"param", std::string(param)},
                           {"message", absl::StrCat("No such ", std::string(what), ": '", std::string(id), "'")}});
}
Reply CardError(std::string_view code, std::string_view message, std::string_view param) {
  return StripeError(402, {{"type", "card_error"},
                           {"code", std::string(code)},
                           {"message", std::string(message)},
                           {"param", std::string(param)}});
}

class StripeDialect final : public Dialect {
 public:
  explicit StripeDialect(Ledger& ledger) : ledger_(ledger) {}
  std::variant<Call, Reply> Prepare(const http::Request& request, const std::string& path,
                                    const http::Fields& query) override;
  Reply KeyInUse() const override {
    return StripeError(409, {{"type", "idempotency_error"},
                             {"code", "idempotency_key_in_use"},
                             {"message", "There is currently another in-progress request using this idempotency key."}});
  }
  Reply KeyReused() const override {
    return StripeError(400, {{"type", "idempotency_error"},
                             {"message", "Keys for idempotent requests can only be used with the same parameters they "
                                         "were first used with."}});
  }
  Reply ServerError() const override {
    return StripeError(500, {{"type", "api_error"}, {"message", "An unknown error occurred."}});
  }

 private:
  using Prepared = std::variant<Call, Reply>;
  Prepared PrepareGet(Call call, const std::string& path, const StripeForm& form);
  Prepared PrepareMethod(Call call, const StripeForm& form);
  Prepared PrepareCreate(Call call, const StripeForm& form);
  Prepared PrepareIntent(Call call, const std::string& id, const std::string& verb, const StripeForm& form);
  Prepared PrepareConfirm(Call call, const Payment& payment, const StripeForm& form);
  Prepared PrepareRefund(Call call, const StripeForm& form);
  Reply Confirm(const std::string& account, const std::string& id, const Method& method, bool moto,
                const std::string& key, bool expand);
  Reply Changed(const std::string& account, const std::string& id, const absl::StatusOr<Payment>& outcome, bool expand);

  Ledger& ledger_;
};

std::variant<Call, Reply> StripeDialect::Prepare(const http::Request& request, const std::string& path,
                                                 const http::Fields& query) {
  Call call;
  call.account = AccountOf(request, "sk_test_");
  if (call.account.empty()) {
    return StripeError(401, {{"type", "invalid_request_error"}, {"message", "Invalid API Key provided"}});
  }
  if (request.method == "GET") return PrepareGet(std::move(call), path, StripeForm(query));
  if (request.method != "POST") return Invalid(absl::StrCat("Unrecognized request URL (", request.method, ": ", path, ")."));
  auto fields = http::ParseForm(request.body);
  if (!fields.ok()) return Invalid("The request body is not form-encoded.");
  const StripeForm form(std::move(*fields));
  call.changes = true;
  call.key = std::string(http::FindHeader(request.headers, "idempotency-key").value_or(""));
  if (call.key.size() > 255) return Invalid("Idempotency keys can be at most 255 characters.");
  call.meaning = path + "\n" + form.Meaning();
  if (path == "/v1/payment_methods") return PrepareMethod(std::move(call), form);
  if (path == "/v1/payment_intents") return PrepareCreate(std::move(call), form);
  if (path == "/v1/refunds") return PrepareRefund(std::move(call), form);
  std::string id, verb;
  if (SplitPath(path, "/v1/payment_intents/", &id, &verb)) return PrepareIntent(std::move(call), id, verb, form);
  return StripeError(404, {{"type", "invalid_request_error"},
                           {"message", absl::StrCat("Unrecognized request URL (POST: ", path, ").")}});
}

std::variant<Call, Reply> StripeDialect::PrepareGet(Call call, const std::string& path, const StripeForm& form) {
  call.operation = Operation::kGet;
  std::string id, verb;
  const std::string account = call.account;
  if (SplitPath(path, "/v1/payment_intents/", &id, &verb) && verb.empty()) {
    if (auto payment = ledger_.FindPayment(account, id)) call.references = {payment->payment_id, payment->reference};
    call.run = [this, account, id, expand = form.ExpandsCharge()] {
      auto payment = ledger_.FindPayment(account, id);
      if (!payment.has_value() || payment->dialect != "stripe") return Missing("payment_intent", id, "intent");
      return Reply{200, json::serialize(stripe::IntentJson(*payment, expand))};
    };
    return call;
  }
  if (path == "/v1/refunds") {
    call.run = [this, account, intent = form.Text("payment_intent")] {
      auto payment = ledger_.FindPayment(account, intent);
      if (!payment.has_value()) return Missing("payment_intent", intent, "payment_intent");
      json::array data;  // newest first, one page
      for (const Refund& refund : ledger_.RefundsOf(intent)) data.insert(data.begin(), stripe::RefundJson(refund, *payment));
      return Reply{200, json::serialize(json::object{{"object", "list"}, {"url", "/v1/refunds"}, {"has_more", false}, {"data", std::move(data)}})};
    };
    return call;
  }
  if (SplitPath(path, "/v1/refunds/", &id, &verb) && verb.empty()) {
    call.run = [this, account, id] {
      auto refund = ledger_.FindRefund(account, id);
      if (!refund.has_value()) return Missing("refund", id, "refund");
      return Reply{200, json::serialize(stripe::RefundJson(*refund, *ledger_.FindPayment(account, refund->payment)))};
    };
    return call;
  }
  if (SplitPath(path, "/v1/payment_methods/", &id, &verb) && verb.empty()) {
    call.run = [this, account, id] {
      auto method = ledger_.FindMethod(account, id);
      if (!method.has_value()) return Missing("PaymentMethod", id, "payment_method");
      return Reply{200, json::serialize(stripe::MethodJson(*method))};
    };
    return call;
  }
  return StripeError(404, {{"type", "invalid_request_error"},
                           {"message", absl::StrCat("Unrecognized request URL (GET: ", path, ").")}});
}

std::variant<Call, Reply> StripeDialect::PrepareMethod(Call call, const StripeForm& form) {
  if (auto unknown = form.Unknown({"type", "card", "billing_details", "metadata", "allow_redisplay", "expand"})) {
    return Invalid("Received unknown parameter: " + *unknown, *unknown, "parameter_unknown");
  }
  if (form.Text("type") != "card") return Invalid("Missing required param: type.", "type", "parameter_missing");
  auto facts = LookAt(form.Text("card[number]"));
  if (!facts.has_value()) return CardError("incorrect_number", "Your card number is incorrect.", "number");
  const int64_t month = form.Number("card[exp_month]");
  int64_t year = form.Number("card[exp_year]");
  if (year >= 0 && year < 100) year += 2000;
  const absl::CivilSecond now = absl::ToCivilSecond(absl::FromUnixSeconds(ledger_.Now()), absl::UTCTimeZone());
  if (month < 1 || month > 12) {
    return CardError("invalid_expiry_month", "Your card's expiration month is invalid.", "exp_month");
  }
  if (year < now.year() || year > now.year() + 50 || (year == now.year() && month < now.month())) {
    return CardError("invalid_expiry_year", "Your card's expiration year is invalid.", "exp_year");
  }
  const std::string code = form.Text("card[cvc]");
  if (!code.empty() && (code.size() < 3 || code.size() > 4 || code.find_first_not_of("0123456789") != code.npos)) {
    return CardError("invalid_cvc", "Your card's security code is invalid.", "cvc");
  }
  JudgeCode(code, *facts);
  facts->expiry_month = static_cast<int>(month);
  facts->expiry_year = static_cast<int>(year);
  call.operation = Operation::kTokenise;
  call.last_four = facts->last_four;
  call.meaning += facts->bin + facts->last_four;
  Method method{"", call.account, *facts, form.Metadata(), 0};
  call.run = [this, method]() mutable {
    method.id = ledger_.NewId("pm");
    return Reply{200, json::serialize(stripe::MethodJson(ledger_.AddMethod(method)))};
  };
  return call;
}

Reply StripeDialect::Confirm(const std::string& account, const std::string& id, const Method& method, bool moto,
                             const std::string& key, bool expand) {
  auto payment = ledger_.Authorise(account, id, method.card, method.id, moto, key);
  if (payment.ok() && payment->status == PaymentStatus::kDeclined) {
    json::object error = stripe::DeclineError(*payment);
    error["payment_intent"] = stripe::IntentJson(*payment, false);
    error["payment_method"] = stripe::MethodJson(method);
    return StripeError(402, std::move(error));
  }
  return Changed(account, id, payment, expand);
}

// The intent after a change, or Stripe's way of refusing it.
Reply StripeDialect::Changed(const std::string& account, const std::string& id, const absl::StatusOr<Payment>& outcome,
                             bool expand) {
  if (outcome.ok()) return {200, json::serialize(stripe::IntentJson(*outcome, expand))};
  if (outcome.status().code() == absl::StatusCode::kNotFound) return Missing("payment_intent", id, "intent");
  if (outcome.status().code() == absl::StatusCode::kInvalidArgument) {
    return Invalid("The amount is greater than what the PaymentIntent allows.", "amount", "amount_too_large");
  }
  const Payment payment = *ledger_.FindPayment(account, id);
  return StripeError(400, {{"type", "invalid_request_error"},
                           {"code", "payment_intent_unexpected_state"},
                           {"message", absl::StrCat("This PaymentIntent has a status of ",
                                                    std::string(stripe::IntentStatus(payment)),
                                                    ", in which this is not possible.")},
                           {"payment_intent", stripe::IntentJson(payment, false)}});
}

std::variant<Call, Reply> StripeDialect::PrepareCreate(Call call, const StripeForm& form) {
  if (auto unknown = form.Unknown({"amount", "currency", "payment_method", "payment_method_types",
                                   "payment_method_options", "capture_method", "confirm", "confirmation_method",
                                   "description", "metadata", "expand", "off_session", "error_on_requires_action",
                                   "statement_descriptor", "statement_descriptor_suffix", "receipt_email"})) {
    return Invalid("Received unknown parameter: " + *unknown, *unknown, "parameter_unknown");
  }
  const int64_t amount = form.Number("amount");
  if (!form.Has("amount")) return Invalid("Missing required param: amount.", "amount", "parameter_missing");
  if (amount < 1) return Invalid("Invalid integer: amount", "amount", "parameter_invalid_integer");
  if (amount > 99999999) return Invalid("Amount must be no more than 99999999", "amount", "amount_too_large");
  if (form.Text("currency").size() != 3) {
    return Invalid("Missing required param: currency.", "currency", "parameter_missing");
  }
  Payment payment;
  payment.dialect = "stripe";
  payment.account = call.account;
  payment.amount_minor = amount;
  payment.currency = form.Text("currency");
  std::transform(payment.currency.begin(), payment.currency.end(), payment.currency.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  payment.capture_now = form.Text("capture_method") != "manual";
  payment.order_reference = form.Text("description");
  payment.metadata = form.Metadata();
  payment.payment_id = payment.metadata.count("payment_id") > 0 ? payment.metadata["payment_id"] : "";
  payment.reference = payment.metadata.count("reference") > 0 ? payment.metadata["reference"] : "";
  call.references = {payment.payment_id, payment.reference};
  std::optional<Method> method;
  if (form.Has("payment_method")) {
    method = ledger_.FindMethod(call.account, form.Text("payment_method"));
    if (!method.has_value()) return Missing("PaymentMethod", form.Text("payment_method"), "payment_method");
    payment.card = method->card;
    payment.method = method->id;
    call.last_four = method->card.last_four;
  }
  payment.status = method.has_value() ? PaymentStatus::kNeedsConfirmation : PaymentStatus::kNeedsMethod;
  const bool confirm = form.Truth("confirm");
  if (confirm && !method.has_value()) {
    return Invalid("You cannot confirm this PaymentIntent because it's missing a payment method.", "payment_method",
                   "payment_intent_unexpected_state");
  }
  const bool moto = form.Truth("payment_method_options[card][moto]");
  if (moto && !confirm) {
    return Invalid("payment_method_options[card][moto] may only be set with confirm=true.",
                   "payment_method_options[card][moto]");
  }
  call.operation = confirm ? Operation::kAuthorise : Operation::kCreate;
  if (confirm) call.magic = method->card.magic;
  call.run = [this, payment, method, confirm, moto, key = call.key, expand = form.ExpandsCharge()]() mutable {
    payment.id = ledger_.NewId("pi");
    payment = ledger_.AddPayment(payment);
    if (confirm) return Confirm(payment.account, payment.id, *method, moto, key, expand);
    return Reply{200, json::serialize(stripe::IntentJson(payment, expand))};
  };
  return call;
}

std::variant<Call, Reply> StripeDialect::PrepareIntent(Call call, const std::string& id, const std::string& verb,
                                                       const StripeForm& form) {
  auto payment = ledger_.FindPayment(call.account, id);
  if (!payment.has_value() || payment->dialect != "stripe") return Missing("payment_intent", id, "intent");
  call.references = {payment->payment_id, payment->reference};
  call.last_four = payment->card.last_four;
  const bool expand = form.ExpandsCharge();
  const std::string account = call.account;
  if (verb == "confirm") return PrepareConfirm(std::move(call), *payment, form);
  if (verb == "capture") {
    if (auto unknown = form.Unknown({"amount_to_capture", "final_capture", "metadata", "expand", "statement_descriptor",
                                     "statement_descriptor_suffix"})) {
      return Invalid("Received unknown parameter: " + *unknown, *unknown, "parameter_unknown");
    }
    const int64_t amount = form.Has("amount_to_capture") ? form.Number("amount_to_capture") : 0;
    if (amount < 0) return Invalid("Invalid integer: amount_to_capture", "amount_to_capture", "parameter_invalid_integer");
    call.operation = Operation::kCapture;
    call.run = [this, account, id, amount, expand] { return Changed(account, id, ledger_.Capture(account, id, amount), expand); };
    return call;
  }
  if (verb == "cancel") {
    if (auto unknown = form.Unknown({"cancellation_reason", "expand"})) {
      return Invalid("Received unknown parameter: " + *unknown, *unknown, "parameter_unknown");
    }
    call.operation = Operation::kVoid;
    call.run = [this, account, id, expand] { return Changed(account, id, ledger_.Void(account, id), expand); };
    return call;
  }
  return StripeError(404, {{"type", "invalid_request_error"}, {"message", "Unrecognized request URL."}});
}

std::variant<Call, Reply> StripeDialect::PrepareConfirm(Call call, const Payment& payment, const StripeForm& form) {
  if (auto unknown = form.Unknown({"payment_method", "payment_method_options", "payment_method_types", "capture_method",
                                   "off_session", "error_on_requires_action", "expand", "receipt_email", "return_url"})) {
    return Invalid("Received unknown parameter: " + *unknown, *unknown, "parameter_unknown");
  }
  const std::string method_id = form.Has("payment_method") ? form.Text("payment_method") : payment.method;
  auto method = ledger_.FindMethod(call.account, method_id);
  if (!method.has_value()) {
    if (!method_id.empty()) return Missing("PaymentMethod", method_id, "payment_method");
    return Invalid("You cannot confirm this PaymentIntent because it's missing a payment method.", "payment_method",
                   "payment_intent_unexpected_state");
  }
  call.operation = Operation::kAuthorise;
  call.magic = method->card.magic;
  call.last_four = method->card.last_four;
  call.run = [this, account = call.account, id = payment.id, method = *method, key = call.key,
              moto = form.Truth("payment_method_options[card][moto]"), expand = form.ExpandsCharge()] {
    return Confirm(account, id, method, moto, key, expand);
  };
  return call;
}

std::variant<Call, Reply> StripeDialect::PrepareRefund(Call call, const StripeForm& form) {
  if (auto unknown = form.Unknown({"payment_intent", "amount", "metadata", "reason", "expand"})) {
    return Invalid("Received unknown parameter: " + *unknown, *unknown, "parameter_unknown");
  }
  const std::string id = form.Text("payment_intent");
  auto payment = ledger_.FindPayment(call.account, id);
  if (!payment.has_value() || payment->dialect != "stripe") return Missing("payment_intent", id, "payment_intent");
  const int64_t amount = form.Has("amount") ? form.Number("amount") : 0;
  if (amount < 0 || (form.Has("amount") && amount == 0)) {
    return Invalid("Invalid integer: amount", "amount", "parameter_invalid_integer");
  }
  call.operation = Operation::kRefund;
  call.references = {payment->payment_id, payment->reference};
  call.last_four = payment->card.last_four;
  call.run = [this, account = call.account, id, amount, metadata = form.Metadata()] {
    auto refund = ledger_.RefundPayment(account, id, amount, metadata);
    const Payment after = *ledger_.FindPayment(account, id);
    if (refund.ok()) return Reply{200, json::serialize(stripe::RefundJson(*refund, after))};
    if (refund.status().code() == absl::StatusCode::kInvalidArgument) {
      return Invalid("Refund amount is greater than the unrefunded amount on the charge.", "amount", "amount_too_large");
    }
    if (after.captured_minor > 0) {
      return Invalid("The charge has already been refunded.", "payment_intent", "charge_already_refunded");
    }
    return Invalid("This PaymentIntent does not have a successful charge to refund.", "payment_intent",
                   "payment_intent_unexpected_state");
  };
  return call;
}

}  // namespace

std::unique_ptr<Dialect> MakeStripeDialect(Ledger& ledger) { return std::make_unique<StripeDialect>(ledger); }

}  // namespace flattone::sandbox
