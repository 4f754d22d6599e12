// The sandbox's books: payments, charges, refunds, payment methods and idempotency keys, in memory and, if asked,
// in a journal of JSON lines that is read again at start. Thread-safe. No card number ever comes in here.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "tools/sandbox-psp/card.h"

namespace flattone::sandbox {

enum class PaymentStatus {
  kNeedsMethod, kNeedsConfirmation, kNeedsAction, kAuthorised, kCaptured, kDeclined, kVoided
};

struct Payment {
  std::string id;
  std::string dialect;  // "sandbox" or "stripe"
  std::string account;  // which API key's
  std::string reference, payment_id, order_reference;
  int64_t amount_minor = 0;
  std::string currency;  // as the client wrote it
  bool capture_now = true;
  PaymentStatus status = PaymentStatus::kNeedsMethod;
  int64_t captured_minor = 0;
  int64_t refunded_minor = 0;
  std::string authorisation_code;
  std::string decline;  // name of the magic card, or "fenced"
  std::string method;   // payment method's id (Stripe)
  std::string charge;   // newest charge's id, also of a declined one
  CardFacts card;
  std::map<std::string, std::string> metadata;
  int64_t created_at = 0;
  int64_t voided_at = 0;
};

// Money that moved.
struct Charge {
  std::string id, payment, idempotency_key;
  int64_t at = 0;
};

struct Refund {
  std::string id, payment, charge;
  int64_t amount_minor = 0;
  std::map<std::string, std::string> metadata;
  int64_t at = 0;
};

struct Method {
  std::string id, account;
  CardFacts card;
  std::map<std::string, std::string> metadata;
  int64_t created_at = 0;
};

struct SavedAnswer {
  std::string fingerprint;  // of the request's meaning
  bool running = true;
  int status = 0;
  std::string body;
};

class Ledger {
 public:
  Ledger(const Clock& clock, Random& random) : clock_(clock), random_(random) {}
  ~Ledger();

  // Reads the journal, then appends to it. UNAVAILABLE when it cannot be opened, DATA_LOSS when a whole line
  // cannot be read (a torn last line is dropped).
  absl::Status OpenJournal(const std::string& path);
  void Reset();

  std::string NewId(std::string_view prefix);
  int64_t Now() const;

  Payment AddPayment(Payment payment);  // sets created_at
  std::optional<Payment> FindPayment(const std::string& account, const std::string& id) const;
  std::vector<Payment> PaymentsWithReference(const std::string& account, const std::string& reference) const;
  Method AddMethod(Method method);
  std::optional<Method> FindMethod(const std::string& account, const std::string& id) const;
  std::optional<Refund> FindRefund(const std::string& account, const std::string& id) const;
  std::vector<Refund> RefundsOf(const std::string& payment) const;

  // Asks "the issuer": the payment becomes authorised, captured, declined or, without `moto`, in need of action.
  // FAILED_PRECONDITION "wrong_state" when it is not waiting for that.
  absl::StatusOr<Payment> Authorise(const std::string& account, const std::string& id, const CardFacts& card,
                                    const std::string& method, bool moto, const std::string& idempotency_key);
  // `amount` 0: all. FAILED_PRECONDITION "wrong_state", INVALID_ARGUMENT (beyond what is there), NOT_FOUND.
  absl::StatusOr<Payment> Capture(const std::string& account, const std::string& id, int64_t amount);
  absl::StatusOr<Payment> Void(const std::string& account, const std::string& id);
  absl::StatusOr<Refund> RefundPayment(const std::string& account, const std::string& id, int64_t amount,
                                       std::map<std::string, std::string> metadata);
  // Voids what the reference authorised and lets no later payment with it through.
  std::vector<Payment> Fence(const std::string& account, const std::string& reference);

  enum class KeyUse { kFirst, kReplay, kRunning, kReused };
  // kFirst: the caller executes and ends with SaveAnswer or DropKey.
  KeyUse UseKey(const std::string& account, const std::string& key, const std::string& fingerprint,
                SavedAnswer* saved);
  void SaveAnswer(const std::string& account, const std::string& key, int status, const std::string& body);
  void DropKey(const std::string& account, const std::string& key);
  void PruneKeys();

  // {"payments":[…],"charges":[…],"refunds":[…]}; empty filters match all.
  std::string ToJson(const std::string& payment_id, const std::string& reference) const;

 private:
  Payment* Find(const std::string& account, const std::string& id);
  void Decide(Payment& payment, const std::string& idempotency_key);
  void Put(const std::string& kind, const std::string& line);
  absl::Status Replay(const std::string& line);
  template <typename Record>
  void Store(const char* kind, const Record& record);

  const Clock& clock_;
  Random& random_;
  mutable std::mutex mutex_;
  FILE* journal_ = nullptr;
  std::map<std::string, Payment> payments_;
  std::vector<std::string> payment_order_;
  std::vector<Charge> charges_;
  std::vector<Refund> refunds_;
  std::map<std::string, Method> methods_;
  std::map<std::string, SavedAnswer> keys_;  // by account, NUL, key
  std::map<std::string, bool> fences_;       // by account, NUL, reference
};

}  // namespace flattone::sandbox
