#include "tools/sandbox-psp/ledger.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/error.h"

namespace flattone::sandbox {
namespace {

std::string Join(const std::string& a, const std::string& b) { return a + std::string(1, '\0') + b; }

absl::Status WrongState(const Payment& payment, std::string_view wanted) {
  return Refusal(absl::StatusCode::kFailedPrecondition, {.code = "wrong_state", .field = {}, .limit = {}, .fix = {}},
                 absl::StrCat("payment ", payment.id, " is not ", std::string(wanted)));
}
absl::Status NoSuchPayment(const std::string& id) {
  return Refusal(absl::StatusCode::kNotFound, {.code = "not_found", .field = "id", .limit = {}, .fix = {}},
                 absl::StrCat("no such payment: ", id));
}

}  // namespace

std::string Ledger::NewId(std::string_view prefix) {
  std::lock_guard<std::mutex> lock(mutex_);
  return RandomId(random_, prefix);
}
int64_t Ledger::Now() const { return absl::ToUnixSeconds(clock_.Now()); }

Payment* Ledger::Find(const std::string& account, const std::string& id) {
  auto found = payments_.find(id);
  return found == payments_.end() || found->second.account != account ? nullptr : &found->second;
}

Payment Ledger::AddPayment(Payment payment) {
  payment.created_at = Now();
  std::lock_guard<std::mutex> lock(mutex_);
  payments_[payment.id] = payment;
  payment_order_.push_back(payment.id);
  Store("payment", payment);
  return payment;
}

std::optional<Payment> Ledger::FindPayment(const std::string& account, const std::string& id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const Payment* payment = const_cast<Ledger*>(this)->Find(account, id);
  return payment == nullptr ? std::nullopt : std::optional<Payment>(*payment);
}

std::vector<Payment> Ledger::PaymentsWithReference(const std::string& account, const std::string& reference) const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Payment> out;
  for (const std::string& id : payment_order_) {
    const Payment& payment = payments_.at(id);
    if (payment.account == account && payment.reference == reference) out.push_back(payment);
  }
  return out;
}

Method Ledger::AddMethod(Method method) {
  method.created_at = Now();
  std::lock_guard<std::mutex> lock(mutex_);
  methods_[method.id] = method;
  Store("method", method);
  return method;
}

std::optional<Method> Ledger::FindMethod(const std::string& account, const std::string& id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = methods_.find(id);
  if (found == methods_.end() || found->second.account != account) return std::nullopt;
  return found->second;
}

std::optional<Refund> Ledger::FindRefund(const std::string& account, const std::string& id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const Refund& refund : refunds_) {
    if (refund.id == id && payments_.at(refund.payment).account == account) return refund;
  }
  return std::nullopt;
}

std::vector<Refund> Ledger::RefundsOf(const std::string& payment) const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Refund> out;
  for (const Refund& refund : refunds_) {
    if (refund.payment == payment) out.push_back(refund);
  }
  return out;
}

// The issuer's word: moves money unless the card, or a fence, says no.
void Ledger::Decide(Payment& payment, const std::string& idempotency_key) {
  const MagicCard* magic = FindMagic(payment.card.magic);
  payment.charge = RandomId(random_, "ch");
  if (fences_.count(Join(payment.account, payment.reference)) > 0 && !payment.reference.empty()) {
    payment.decline = "fenced";
  } else {
    payment.decline = magic != nullptr && magic->decline.has_value() ? payment.card.magic : "";
  }
  if (!payment.decline.empty()) {
    payment.status = PaymentStatus::kDeclined;
    return;
  }
  payment.status = payment.capture_now ? PaymentStatus::kCaptured : PaymentStatus::kAuthorised;
  payment.captured_minor = payment.capture_now ? payment.amount_minor : 0;
  payment.authorisation_code = absl::StrFormat("%06d", random_.Below(1000000));
  charges_.push_back({payment.charge, payment.id, idempotency_key, Now()});
  Store("charge", charges_.back());
}

absl::StatusOr<Payment> Ledger::Authorise(const std::string& account, const std::string& id, const CardFacts& card,
                                          const std::string& method, bool moto, const std::string& idempotency_key) {
  std::lock_guard<std::mutex> lock(mutex_);
  Payment* payment = Find(account, id);
  if (payment == nullptr) return NoSuchPayment(id);
  // A declined intent of Stripe may be confirmed again with another method; nothing else is asked twice.
  const bool again = payment->dialect == "stripe" && payment->status == PaymentStatus::kDeclined;
  if (payment->status != PaymentStatus::kNeedsMethod && payment->status != PaymentStatus::kNeedsConfirmation && !again) {
    return WrongState(*payment, "waiting for a confirmation");
  }
  payment->card = card;
  payment->method = method;
  if (moto) {
    Decide(*payment, idempotency_key);
  } else {
    payment->status = PaymentStatus::kNeedsAction;
  }
  Store("payment", *payment);
  return *payment;
}

absl::StatusOr<Payment> Ledger::Capture(const std::string& account, const std::string& id, int64_t amount) {
  std::lock_guard<std::mutex> lock(mutex_);
  Payment* payment = Find(account, id);
  if (payment == nullptr) return NoSuchPayment(id);
  if (payment->status != PaymentStatus::kAuthorised) return WrongState(*payment, "authorised");
  if (amount == 0) amount = payment->amount_minor;
  if (amount > payment->amount_minor) {
    return InvalidField("amount_minor", "is beyond the authorised amount", absl::StrCat("at most ", payment->amount_minor));
  }
  payment->captured_minor = amount;
  payment->status = PaymentStatus::kCaptured;
  Store("payment", *payment);
  return *payment;
}

absl::StatusOr<Payment> Ledger::Void(const std::string& account, const std::string& id) {
  std::lock_guard<std::mutex> lock(mutex_);
  Payment* payment = Find(account, id);
  if (payment == nullptr) return NoSuchPayment(id);
  const bool open = payment->status != PaymentStatus::kCaptured && payment->status != PaymentStatus::kVoided &&
                    (payment->dialect == "stripe" || payment->status == PaymentStatus::kAuthorised);
  if (!open) return WrongState(*payment, "open to be voided");
  payment->status = PaymentStatus::kVoided;
  payment->voided_at = Now();
  Store("payment", *payment);
  return *payment;
}

absl::StatusOr<Refund> Ledger::RefundPayment(const std::string& account, const std::string& id, int64_t amount,
                                             std::map<std::string, std::string> metadata) {
  std::lock_guard<std::mutex> lock(mutex_);
  Payment* payment = Find(account, id);
  if (payment == nullptr) return NoSuchPayment(id);
  const int64_t left = payment->captured_minor - payment->refunded_minor;
  if (payment->status != PaymentStatus::kCaptured || left == 0) return WrongState(*payment, "captured and unrefunded");
  if (amount == 0) amount = left;
  if (amount > left) return InvalidField("amount_minor", "is beyond what is left", absl::StrCat("at most ", left));
  payment->refunded_minor += amount;
  Store("payment", *payment);
  refunds_.push_back({RandomId(random_, "re"), id, payment->charge, amount, std::move(metadata), Now()});
  Store("refund", refunds_.back());
  return refunds_.back();
}

std::vector<Payment> Ledger::Fence(const std::string& account, const std::string& reference) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Payment> out;
  fences_[Join(account, reference)] = true;
  Put("fence", absl::StrCat(account, " ", reference));
  for (const std::string& id : payment_order_) {
    Payment& payment = payments_.at(id);
    if (payment.account != account || payment.reference != reference) continue;
    if (payment.status == PaymentStatus::kAuthorised) {
      payment.status = PaymentStatus::kVoided;
      payment.voided_at = Now();
      Store("payment", payment);
    }
    out.push_back(payment);
  }
  return out;
}

Ledger::KeyUse Ledger::UseKey(const std::string& account, const std::string& key, const std::string& fingerprint,
                              SavedAnswer* saved) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto inserted = keys_.emplace(Join(account, key), SavedAnswer{fingerprint, true, 0, ""});
  if (inserted.second) return KeyUse::kFirst;
  *saved = inserted.first->second;
  if (saved->fingerprint != fingerprint) return KeyUse::kReused;
  return saved->running ? KeyUse::kRunning : KeyUse::kReplay;
}

void Ledger::SaveAnswer(const std::string& account, const std::string& key, int status, const std::string& body) {
  std::lock_guard<std::mutex> lock(mutex_);
  SavedAnswer& saved = keys_[Join(account, key)];
  saved.running = false;
  saved.status = status;
  saved.body = body;
  Put("key", absl::StrCat(account, " ", saved.fingerprint, " ", status, " ", key.size(), " ", key, body));
}

void Ledger::DropKey(const std::string& account, const std::string& key) {
  std::lock_guard<std::mutex> lock(mutex_);
  keys_.erase(Join(account, key));
}

void Ledger::PruneKeys() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto it = keys_.begin(); it != keys_.end();) {
    it = it->second.running ? std::next(it) : keys_.erase(it);
  }
  Put("prune", "");
}

void Ledger::Reset() {
  std::lock_guard<std::mutex> lock(mutex_);
  payments_.clear();
  payment_order_.clear();
  charges_.clear();
  refunds_.clear();
  methods_.clear();
  keys_.clear();
  fences_.clear();
  Put("reset", "");
}

}  // namespace flattone::sandbox
