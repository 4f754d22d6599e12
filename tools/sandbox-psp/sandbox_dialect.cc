// The sandbox's own dialect: small JSON (README.md).
#include <boost/json.hpp>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "tools/sandbox-psp/dialect.h"
#include "tools/sandbox-psp/records.h"

namespace flattone::sandbox {
namespace {

namespace json = boost::json;

Reply Error(int status, std::string_view code, std::string_view message, std::string_view field = "") {
  json::object error{{"code", std::string(code)}, {"message", std::string(message)}};
  if (!field.empty()) error["field"] = std::string(field);
  return {status, json::serialize(json::object{{"error", error}})};
}

Reply FromStatus(const absl::Status& status) {
  const auto detail = DetailOf(status);
  const std::string code = detail.has_value() ? detail->code : "internal";
  const std::string field = detail.has_value() ? detail->field : "";
  const std::string message(status.message());
  if (status.code() == absl::StatusCode::kNotFound) return Error(404, code, message, field);
  if (status.code() == absl::StatusCode::kFailedPrecondition) return Error(409, code, message, field);
  return Error(400, code, message, field);
}

json::object ToJson(const Payment& payment) {
  json::object out{{"id", payment.id},
                   {"reference", payment.reference},
                   {"payment_id", payment.payment_id},
                   {"order_reference", payment.order_reference},
                   {"status", std::string(StatusName(payment))},
                   {"amount_minor", payment.amount_minor},
                   {"currency", payment.currency},
                   {"captured_minor", payment.captured_minor},
                   {"refunded_minor", payment.refunded_minor},
                   {"card", {{"brand", payment.card.brand},
                             {"bin", payment.card.bin},
                             {"last_four", payment.card.last_four}}},
                   {"created_at", payment.created_at}};
  if (!payment.authorisation_code.empty()) out["authorisation_code"] = payment.authorisation_code;
  if (payment.status != PaymentStatus::kDeclined) return out;
  const MagicCard* magic = FindMagic(payment.decline);
  if (magic == nullptr || !magic->decline.has_value()) {
    out["decline"] = {{"code", payment.decline}, {"advice", "stop"}};
  } else {
    json::object decline{{"code", magic->decline->word()},
                         {"advice", magic->decline->advice},
                         {"network_code", magic->decline->network_code}};
    if (!magic->decline->network_advice.empty()) decline["network_advice"] = magic->decline->network_advice;
    out["decline"] = std::move(decline);
  }
  return out;
}

Reply Answer(const absl::StatusOr<Payment>& payment) {
  return payment.ok() ? Reply{200, json::serialize(ToJson(*payment))} : FromStatus(payment.status());
}

// Reads members of a body and remembers the first thing that was wrong.
class Body {
 public:
  explicit Body(const json::object& object) : object_(object) {}

  std::string Text(const char* name, size_t max, bool required) {
    known_.push_back(name);
    const json::value* value = object_.if_contains(name);
    if (value == nullptr) {
      if (required) Wrong(name, absl::StrCat("is required: a text of 1 to ", max, " characters"));
      return "";
    }
    if (!value->is_string() || value->as_string().size() > max || (required && value->as_string().empty())) {
      Wrong(name, absl::StrCat("must be a text of at most ", max, " characters"));
      return "";
    }
    return value->as_string().c_str();
  }
  int64_t Amount(bool required) {
    known_.push_back("amount_minor");
    const json::value* value = object_.if_contains("amount_minor");
    if (value == nullptr && !required) return 0;
    if (value == nullptr || !value->is_int64() || value->as_int64() < 1 || value->as_int64() > 99999999999) {
      Wrong("amount_minor", "must be an integer from 1 to 99999999999");
      return 0;
    }
    return value->as_int64();
  }
  bool Flag(const char* name) {
    known_.push_back(name);
    const json::value* value = object_.if_contains(name);
    if (value != nullptr && !value->is_bool()) Wrong(name, "must be true or false");
    return value != nullptr && value->is_bool() && value->as_bool();
  }
  const json::object* Object(const char* name) {
    known_.push_back(name);
    const json::value* value = object_.if_contains(name);
    if (value == nullptr || !value->is_object()) {
      Wrong(name, "must be an object");
      return nullptr;
    }
    return &value->as_object();
  }
  void Wrong(const std::string& field, const std::string& what) {
    if (!error_.has_value()) error_ = Error(400, "invalid_field", field + " " + what, field);
  }
  std::optional<Reply> Finish() {
    for (const auto& member : object_) {
      if (std::find(known_.begin(), known_.end(), std::string_view(member.key())) == known_.end()) {
        Wrong(std::string(member.key()), "is not known");
      }
    }
    return error_;
  }

 private:
  const json::object& object_;
  std::vector<std::string> known_;
  std::optional<Reply> error_;
};

class SandboxDialect final : public Dialect {
 public:
  explicit SandboxDialect(Ledger& ledger) : ledger_(ledger) {}
  std::variant<Call, Reply> Prepare(const http::Request& request, const std::string& path,
                                    const http::Fields& query) override;
  Reply KeyInUse() const override { return Error(409, "key_in_use", "the first request with this key still runs"); }
  Reply KeyReused() const override { return Error(422, "key_reused", "this key was used with another request"); }
  Reply ServerError() const override { return Error(500, "internal", "the sandbox was told to fail"); }

 private:
  std::variant<Call, Reply> PreparePost(Call call, const json::object& body, const std::string& path);
  std::variant<Call, Reply> PreparePayment(Call call, const json::object& body);
  std::variant<Call, Reply> PrepareFence(Call call, const json::object& body);
  std::variant<Call, Reply> PrepareGet(Call call, const std::string& path, const http::Fields& query);

  Ledger& ledger_;
};

std::variant<Call, Reply> SandboxDialect::Prepare(const http::Request& request, const std::string& path,
                                                  const http::Fields& query) {
  Call call;
  call.account = AccountOf(request, "sbx_");
  if (call.account.empty()) return Error(401, "unauthorised", "Authorization: Bearer sbx_… is required");
  if (request.method == "GET") return PrepareGet(std::move(call), path, query);
  if (request.method != "POST") return Error(405, "method_not_allowed", "GET or POST");
  call.changes = true;
  call.key = std::string(http::FindHeader(request.headers, "idempotency-key").value_or(""));
  if (call.key.empty() || call.key.size() > 255) {
    return Error(400, "invalid_field", "Idempotency-Key must have 1 to 255 characters", "Idempotency-Key");
  }
  json::error_code error;
  const json::value body = json::parse(request.body.empty() ? "{}" : request.body, error);
  if (error || !body.is_object()) return Error(400, "invalid_json", "the body must be a JSON object");
  return PreparePost(std::move(call), body.as_object(), path);
}

std::variant<Call, Reply> SandboxDialect::PrepareGet(Call call, const std::string& path, const http::Fields& query) {
  call.operation = Operation::kGet;
  std::string id, verb;
  if (path == "/v1/sandbox/payments") {
    std::string reference;
    for (const auto& field : query) {
      if (field.first == "reference") reference = field.second;
    }
    if (reference.empty()) return Error(400, "invalid_field", "reference is required", "reference");
    call.references = {reference};
    call.run = [this, account = call.account, reference] {
      json::array payments;
      for (const Payment& payment : ledger_.PaymentsWithReference(account, reference)) payments.push_back(ToJson(payment));
      return Reply{200, json::serialize(json::object{{"payments", payments}})};
    };
    return call;
  }
  if (!SplitPath(path, "/v1/sandbox/payments/", &id, &verb) || !verb.empty()) {
    return Error(404, "not_found", "no such resource");
  }
  if (auto payment = ledger_.FindPayment(call.account, id)) call.references = {payment->payment_id, payment->reference};
  call.run = [this, account = call.account, id = id] {
    auto payment = ledger_.FindPayment(account, id);
    return payment.has_value() ? Answer(*payment) : Error(404, "not_found", "no such payment", "id");
  };
  return call;
}

std::variant<Call, Reply> SandboxDialect::PreparePost(Call call, const json::object& body, const std::string& path) {
  if (path == "/v1/sandbox/payments") return PreparePayment(std::move(call), body);
  if (path == "/v1/sandbox/fences") return PrepareFence(std::move(call), body);
  std::string id, verb;
  if (!SplitPath(path, "/v1/sandbox/payments/", &id, &verb)) return Error(404, "not_found", "no such resource");
  Body reader(body);
  const int64_t amount = verb == "void" ? 0 : reader.Amount(false);
  if (auto error = reader.Finish()) return *error;
  if (auto payment = ledger_.FindPayment(call.account, id)) {
    call.references = {payment->payment_id, payment->reference};
    call.last_four = payment->card.last_four;
  }
  call.meaning = absl::StrCat(path, " ", amount);
  const std::string account = call.account;
  if (verb == "capture") {
    call.operation = Operation::kCapture;
    call.run = [this, account, id, amount] { return Answer(ledger_.Capture(account, id, amount)); };
  } else if (verb == "void") {
    call.operation = Operation::kVoid;
    call.run = [this, account, id] { return Answer(ledger_.Void(account, id)); };
  } else if (verb == "refund") {
    call.operation = Operation::kRefund;
    call.run = [this, account, id, amount] {
      auto refund = ledger_.RefundPayment(account, id, amount, {});
      if (!refund.ok()) return FromStatus(refund.status());
      json::object out = ToJson(*ledger_.FindPayment(account, id));
      out["refund_id"] = refund->id;
      return Reply{200, json::serialize(out)};
    };
  } else {
    return Error(404, "not_found", "no such resource");
  }
  return call;
}

std::variant<Call, Reply> SandboxDialect::PreparePayment(Call call, const json::object& body) {
  Body reader(body);
  Payment payment;
  payment.dialect = "sandbox";
  payment.account = call.account;
  payment.reference = reader.Text("reference", 100, true);
  payment.payment_id = reader.Text("payment_id", 100, false);
  payment.order_reference = reader.Text("order_reference", 100, false);
  payment.amount_minor = reader.Amount(true);
  payment.currency = reader.Text("currency", 3, true);
  payment.capture_now = reader.Flag("capture");
  payment.status = PaymentStatus::kNeedsConfirmation;
  if (payment.currency.size() != 3) reader.Wrong("currency", "must be an ISO 4217 code in capitals");
  const json::object* card = reader.Object("card");
  std::optional<CardFacts> facts;
  if (card != nullptr) {
    Body card_reader(*card);
    facts = LookAt(card_reader.Text("number", 19, true));
    const std::string expiry = card_reader.Text("expiry", 4, true);
    const std::string code = card_reader.Text("security_code", 4, false);
    card_reader.Text("postcode", 10, false);
    if (facts.has_value()) JudgeCode(code, *facts);
    if (!facts.has_value()) card_reader.Wrong("number", "must be 12 to 19 digits with a right check digit");
    if (facts.has_value() && expiry.size() == 4) {
      facts->expiry_month = std::atoi(expiry.substr(0, 2).c_str());
      facts->expiry_year = 2000 + std::atoi(expiry.substr(2).c_str());
    }
    if (expiry.size() != 4 || !facts.has_value() || facts->expiry_month < 1 || facts->expiry_month > 12) {
      card_reader.Wrong("expiry", "must be MMYY");
    }
    if (!code.empty() && code.size() < 3) card_reader.Wrong("security_code", "must have 3 or 4 digits");
    if (auto error = card_reader.Finish()) return *error;
  }
  if (auto error = reader.Finish()) return *error;
  call.operation = Operation::kAuthorise;
  call.references = {payment.payment_id, payment.reference};
  call.last_four = facts->last_four;
  call.magic = facts->magic;
  call.meaning = absl::StrCat("payments ", payment.reference, " ", payment.amount_minor, " ", payment.currency, " ",
                              payment.capture_now, " ", facts->bin, facts->last_four);
  call.run = [this, payment, facts = *facts, key = call.key]() mutable {
    payment.id = ledger_.NewId("spp");
    ledger_.AddPayment(payment);
    return Answer(ledger_.Authorise(payment.account, payment.id, facts, "", true, key));
  };
  return call;
}

std::variant<Call, Reply> SandboxDialect::PrepareFence(Call call, const json::object& body) {
  Body reader(body);
  const std::string reference = reader.Text("reference", 100, true);
  if (auto error = reader.Finish()) return *error;
  call.operation = Operation::kFence;
  call.references = {reference};
  call.meaning = "fences " + reference;
  call.run = [this, account = call.account, reference] {
    json::array payments;
    bool voided = false, charged = false;
    for (const Payment& payment : ledger_.Fence(account, reference)) {
      voided = voided || payment.status == PaymentStatus::kVoided;
      charged = charged || payment.status == PaymentStatus::kCaptured;
      payments.push_back(ToJson(payment));
    }
    return Reply{200, json::serialize(json::object{{"reference", reference},
                                                   {"status", charged ? "charged" : voided ? "voided" : "fenced"},
                                                   {"payments", payments}})};
  };
  return call;
}

}  // namespace

std::unique_ptr<Dialect> MakeSandboxDialect(Ledger& ledger) { return std::make_unique<SandboxDialect>(ledger); }

}  // namespace flattone::sandbox
