// The durable record of every attempt: what was begun, who holds its socket, what came of it. Each change of outcome goes
// into the outbox in the same transaction.
//
//   auto begun = ledger.Begin(wanted);            // committed SENDING, or the attempt that exists already
//   if (begun->fresh) …send…
//   ledger.Write(begun->attempt.attempt_id, {.kind = EventKind::kAnswered, .epoch = …, …});
//
// Any thread; every method blocks for the database.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/storage/database.h"
#include "libs/storage/group_commit.h"
#include "services/gateway-adapter/attempt/attempt.h"
#include "services/gateway-adapter/attempt/rules.h"
#include "services/gateway-adapter/attempt/transitions.h"
#include "services/gateway-adapter/outbox/outbox.h"

namespace flattone::gateway {

struct NewAttempt {
  // Of the attempt to be made; empty: Begin draws one. Who draws it can find the attempt whose commit was not confirmed.
  std::string attempt_id;
  Operation operation = Operation::kAuthorise;
  std::string tenant_id;
  std::string payment_id;
  std::string operation_id;
  int64_t amount_minor = 0;  // 0: all (capture, refund)
  std::string currency;      // AUTHORISE; else, if given, must be the authorisation's
  // AUTHORISE only; the other operations take them from the authorisation.
  Mode mode = Mode::kTest;
  bool capture_now = false;
  std::string order_reference;
  std::string token_id;
  std::string vault_address;
  std::string traceparent;   // of the call that asks
  bool automatic = false;  // the void or refund that void-if-approved asked for, under the mark's operation_id
};

struct Begun {
  Attempt attempt;
  bool fresh = false;  // committed by this call: the caller sends it
};

struct VoidDue {
  Attempt authorised;
  int earlier = 0;  // voids and refunds of it that came to nothing
};

class Ledger {
 public:
  Ledger(storage::Database& database, Outbox& outbox, const Clock& clock, Random& random, absl::Duration lease);

  std::string NewId() { return RandomId(random_, "att"); }
  // Commits SENDING with its idempotency key, or answers the attempt that has this operation_id. VOID during a
  // live AUTHORISE marks that one and answers it. Errors: rules.h, and FAILED_PRECONDITION "no_psp_account",
  // "operation_reused" (same operation_id, another request); UNKNOWN when the database was lost while committing, again
  // and again: the attempt may be there, and nobody sends it.
  absl::StatusOr<Begun> Begin(const NewAttempt& wanted);

  // Applies the event (transitions.h) to the attempt as it stands, under its row lock. The attempt afterwards.
  // `with` changes more of the row, or of other tables, in the same transaction; its error undoes all.
  using With = std::function<absl::Status(storage::Transaction& tx, Attempt& attempt)>;
  absl::StatusOr<Attempt> Write(const std::string& attempt_id, const Event& event, const With& with = nullptr);

  // NOT_FOUND unless the tenant has it.
  absl::StatusOr<Attempt> Find(const std::string& tenant_id, const std::string& attempt_id);
  // Oldest first; another tenant's payment has none.
  absl::StatusOr<std::vector<Attempt>> OfPayment(const std::string& tenant_id, const std::string& payment_id);

  // This process's lease over all that it sends. Renewed every third of its length.
  const std::string& owner() const { return owner_; }
  absl::Status RenewLease();
  // Makes attempts of processes whose lease ran out UNKNOWN; how many.
  absl::StatusOr<int> ExpireLeases();

  // UNKNOWN attempts whose question is due, each handed to one caller only: its next question is moved
  // `hold` away first.
  absl::StatusOr<std::vector<Attempt>> ClaimDue(int limit, absl::Duration hold);
  // Page of UNKNOWN attempts, oldest first, after (unknown_us, attempt_id); tenant "" means all.
  absl::StatusOr<std::vector<Attempt>> Unknown(const std::string& tenant_id, int64_t after_us, const std::string& after_id, int limit);
  // How many attempts are UNKNOWN, all tenants.
  absl::StatusOr<int64_t> CountUnknown();
  // Approved authorisations marked void-if-approved that no void or refund has followed yet and whose time has come, each
  // handed to one caller only; again after 5, 10, 20 … s, at most an hour.
  absl::StatusOr<std::vector<VoidDue>> ClaimToVoid(int limit);
  // Attempts that the vault has not been told about, each handed to one caller only, again after `hold`; and that it has
  // been told, up to `wipe` (a wipe that was asked for meanwhile and does more stays).
  absl::StatusOr<std::vector<Attempt>> ClaimToWipe(int limit, absl::Duration hold);
  absl::Status Wiped(const std::string& attempt_id, int wipe);

 private:
  // Rows of a queue that are due, locked; `column` of each is moved to now + `next` of it.
  absl::StatusOr<std::vector<Attempt>> Claim(storage::Transaction& tx, const std::string& condition, const char* column, int limit,
                                             const std::function<absl::StatusOr<absl::Duration>(const Attempt&)>& next);
  absl::StatusOr<std::vector<Attempt>> Select(const std::string& condition, std::vector<storage::Value> values);
  absl::Status BeginInside(storage::Transaction& tx, const NewAttempt& wanted, Begun& out, std::string& mark);
  absl::Status Fill(storage::Transaction& tx, const NewAttempt& wanted, const PaymentView& view, Attempt& a);
  absl::StatusOr<Begun> Mark(const NewAttempt& wanted, const std::string& attempt_id);
  int64_t NowMicros() const { return absl::ToUnixMicros(clock_.Now()); }

  storage::Database& database_;
  Outbox& outbox_;
  const Clock& clock_;
  Random& random_;
  const absl::Duration lease_;
  const std::string owner_;
  // Apart, because whoever writes outcomes holds the counter's lock: a begin that waits for a payment's row
  // must not wait with it.
  storage::GroupCommitter begins_;
  storage::GroupCommitter outcomes_;
};

}  // namespace flattone::gateway
