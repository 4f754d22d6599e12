#include "services/gateway-adapter/attempt/ledger.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/gateway-adapter/attempt/rows.h"

namespace flattone::gateway {
namespace {

using storage::Rows;
using storage::Transaction;
using storage::Value;

absl::Status Precondition(const char* code, const std::string& message, const char* fix) {
  return Refusal(absl::StatusCode::kFailedPrecondition, {.code = code, .field = {}, .limit = {}, .fix = fix}, message);
}

absl::StatusOr<std::vector<Attempt>> Read(Transaction& tx, const std::string& condition, std::span<const Value> values) {
  auto rows = tx.Query("SELECT " + AttemptColumns() + " FROM attempt WHERE " + condition, values);
  if (!rows.ok()) return rows.status();
  std::vector<Attempt> attempts;
  attempts.reserve(rows->size());
  for (const storage::Row& row : *rows) attempts.push_back(AttemptOf(row));
  return attempts;
}

// The attempt that this operation_id made or marked, if any.
absl::StatusOr<std::vector<Attempt>> Existing(Transaction& tx, const NewAttempt& wanted) {
  const std::vector<Value> values = {wanted.tenant_id, wanted.operation_id};
  auto made = Read(tx, "tenant_id = $1 AND operation_id = $2", values);
  if (!made.ok() || !made->empty() || wanted.operation != Operation::kVoid || wanted.automatic) return made;
  return Read(tx, "tenant_id = $1 AND void_operation_id = $2 AND void_operation_id <> ''", values);
}

absl::Status SameRequest(const Attempt& a, const NewAttempt& wanted) {
  // A VoidPayment may have marked an authorisation, and that mark may have become a refund.
  const bool marked = wanted.operation == Operation::kVoid && (a.operation == Operation::kAuthorise || a.operation == Operation::kRefund);
  bool same = a.payment_id == wanted.payment_id && (marked || a.operation == wanted.operation);
  if (wanted.operation == Operation::kAuthorise) {
    same = same && a.amount_minor == wanted.amount_minor && a.currency == wanted.currency && a.mode == wanted.mode &&
           a.capture_now == wanted.capture_now && a.token_id == wanted.token_id;
  } else if (wanted.amount_minor != 0 && !marked && a.operation != Operation::kVoid) {
    same = same && a.amount_minor == wanted.amount_minor;
  }
  if (same) return absl::OkStatus();
  return Precondition("operation_reused", "operation_id was used for another request", "use a new operation_id");
}

// All payments' rows are made on first use; their lock puts the operations of one payment in line, across replicas.
absl::Status LockPayment(Transaction& tx, const NewAttempt& wanted) {
  auto made = tx.Execute("INSERT INTO payment (tenant_id, payment_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                         {wanted.tenant_id, wanted.payment_id});
  if (!made.ok()) return made.status();
  return tx.Query("SELECT payment_id FROM payment WHERE tenant_id = $1 AND payment_id = $2" + tx.ForUpdate(),
                  {wanted.tenant_id, wanted.payment_id}).status();
}

// The account stays until the attempt is written: whoever deletes it waits, and then finds the attempt.
absl::Status TakeAccount(Transaction& tx, Attempt& a) {
  auto account = tx.Query("SELECT account_id, psp FROM account WHERE tenant_id = $1 AND mode = $2 ORDER BY updated_us DESC LIMIT 1" +
                              tx.ForShare(),
                          {a.tenant_id, static_cast<int>(a.mode)});
  if (!account.ok()) return account.status();
  if (account->empty()) {
    return Precondition("no_psp_account", "the tenant has no PSP account in this mode", "set one with flattonectl");
  }
  a.account_id = account->front().Text("account_id");
  a.psp = account->front().Text("psp");
  return absl::OkStatus();
}

}  // namespace

Ledger::Ledger(storage::Database& database, Outbox& outbox, const Clock& clock, Random& random, absl::Duration lease)
    : database_(database), outbox_(outbox), clock_(clock), random_(random), lease_(lease),
      owner_(RandomId(random, "prc")), begins_(database, {}), outcomes_(database, {}) {}

absl::Status Ledger::Fill(Transaction& tx, const NewAttempt& wanted, const PaymentView& view, Attempt& a) {
  a.attempt_id = wanted.attempt_id;
  // Ours alone decides the key: 34 characters, within every PSP's limit.
  a.idempotency_key = RandomId(random_, "key");
  a.tenant_id = wanted.tenant_id;
  a.payment_id = wanted.payment_id;
  a.operation_id = wanted.operation_id;
  a.operation = wanted.operation;
  a.owner = owner_;
  a.traceparent = wanted.traceparent;
  a.created_us = a.updated_us = NowMicros();
  if (wanted.operation == Operation::kAuthorise) {
    a.mode = wanted.mode;
    a.currency = wanted.currency;
    a.capture_now = wanted.capture_now;
    a.order_reference = wanted.order_reference;
    a.token_id = wanted.token_id;
    a.vault_address = wanted.vault_address;
    return TakeAccount(tx, a);
  }
  const Attempt& authorised = *view.authorised;
  if (!wanted.currency.empty() && wanted.currency != authorised.currency) {
    return InvalidField("amount.currency_code", "is " + wanted.currency, "the authorisation's, " + authorised.currency);
  }
  a.mode = authorised.mode;
  a.currency = authorised.currency;
  a.order_reference = authorised.order_reference;
  a.account_id = authorised.account_id;
  a.psp = authorised.psp;
  a.target_reference = authorised.psp_reference;
  a.refunded_before_minor = view.refunded_minor;
  a.brand = authorised.brand;
  a.last_four = authorised.last_four;
  return tx.Query("SELECT 1 FROM account WHERE account_id = $1" + tx.ForShare(), {a.account_id}).status();
}

absl::Status Ledger::BeginInside(Transaction& tx, const NewAttempt& wanted, Begun& out, std::string& mark) {
  out = {};
  mark.clear();
  absl::Status status = LockPayment(tx, wanted);
  if (!status.ok()) return status;
  auto existing = Existing(tx, wanted);
  if (!existing.ok()) return existing.status();
  if (!existing->empty()) {
    out.attempt = std::move(existing->front());
    // Else an earlier round of this very call committed it and was not told.
    out.fresh = out.attempt.attempt_id == wanted.attempt_id && out.attempt.state == State::kSending;
    return SameRequest(out.attempt, wanted);
  }
  const std::vector<Value> key = {wanted.tenant_id, wanted.payment_id};
  auto attempts = Read(tx, "tenant_id = $1 AND payment_id = $2 ORDER BY created_us, attempt_id", key);
  if (!attempts.ok()) return attempts.status();
  const PaymentView view = ViewOf(*attempts);
  const Ruling ruling = Rule(view, wanted.operation, wanted.amount_minor);
  if (!ruling.status.ok()) return ruling.status;
  if (ruling.permission == Permission::kMarkVoidIfApproved) {
    mark = view.live->attempt_id;
    return absl::OkStatus();
  }
  out.attempt.amount_minor = ruling.amount_minor;
  status = Fill(tx, wanted, view, out.attempt);
  if (!status.ok()) return status;
  out.fresh = true;
  return tx.Execute(InsertAttempt(), ValuesOf(out.attempt)).status();
}

absl::StatusOr<Begun> Ledger::Begin(const NewAttempt& asked) {
  NewAttempt wanted = asked;
  if (wanted.attempt_id.empty()) wanted.attempt_id = NewId();
  absl::Status status;
  for (int round = 0; round < 3; ++round) {
    Begun begun;
    std::string mark;
    status = begins_.Write([&](Transaction& tx) { return BeginInside(tx, wanted, begun, mark); });
    // Two requests with one operation_id but different payments can meet in the index; the second round finds the first.
    // A commit that was not confirmed is looked for in the same way.
    if (absl::IsAlreadyExists(status) || absl::IsUnknown(status)) continue;
    if (!status.ok()) return status;
    if (mark.empty()) return begun;
    auto marked = Mark(wanted, mark);
    // Answered in between: the payment has moved on, so the rules are asked anew.
    if (marked.ok() || !absl::IsFailedPrecondition(marked.status())) return marked;
  }
  if (absl::IsUnknown(status)) return status;
  return Precondition("attempt_live", "another operation of this payment has no outcome yet", "wait for its outcome");
}

absl::StatusOr<Begun> Ledger::Mark(const NewAttempt& wanted, const std::string& attempt_id) {
  auto attempt = Write(attempt_id, {.kind = EventKind::kVoidIfApproved}, [&wanted](Transaction&, Attempt& a) {
    if (a.void_operation_id.empty()) a.void_operation_id = wanted.operation_id;
    return absl::OkStatus();
  });
  if (!attempt.ok()) return attempt.status();
  return Begun{std::move(*attempt), false};
}

absl::StatusOr<Attempt> Ledger::Write(const std::string& attempt_id, const Event& event, const With& with) {
  Attempt after;
  bool told = false;
  const absl::Status status = outcomes_.Write([&](Transaction& tx) -> absl::Status {
    const std::vector<Value> key = {attempt_id};
    auto found = Read(tx, "attempt_id = $1" + tx.ForUpdate(), key);
    if (!found.ok()) return found.status();
    if (found->empty()) return absl::NotFoundError("there is no such attempt");
    auto change = Apply(found->front(), event, NowMicros());
    if (!change.ok()) return change.status();
    after = std::move(change->attempt);
    told = change->tell;
    if (with) {
      absl::Status more = with(tx, after);
      if (!more.ok()) return more;
    }
    auto stored = tx.Execute(UpdateAttempt(), ValuesOf(after));
    if (!stored.ok()) return stored.status();
    return told ? Outbox::Append(tx, after) : absl::OkStatus();
  });
  if (!status.ok()) return status;
  if (told) outbox_.Appended();
  return after;
}

absl::StatusOr<std::vector<Attempt>> Ledger::Select(const std::string& condition, std::vector<Value> values) {
  std::vector<Attempt> attempts;
  absl::Status status = database_.Read([&](Transaction& tx) -> absl::Status {
    auto read = Read(tx, condition, values);
    if (!read.ok()) return read.status();
    attempts = std::move(*read);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return attempts;
}

absl::StatusOr<Attempt> Ledger::Find(const std::string& tenant_id, const std::string& attempt_id) {
  auto found = Select("tenant_id = $1 AND attempt_id = $2", {tenant_id, attempt_id});
  if (!found.ok()) return found.status();
  if (found->empty()) return absl::NotFoundError("there is no such attempt");
  return std::move(found->front());
}

absl::StatusOr<std::vector<Attempt>> Ledger::OfPayment(const std::string& tenant_id, const std::string& payment_id) {
  return Select("tenant_id = $1 AND payment_id = $2 ORDER BY created_us, attempt_id", {tenant_id, payment_id});
}

absl::Status Ledger::RenewLease() {
  return database_.Write([&](Transaction& tx) {
    return tx.Execute("INSERT INTO process (owner, lease_until_us) VALUES ($1, $2) "
                      "ON CONFLICT (owner) DO UPDATE SET lease_until_us = excluded.lease_until_us",
                      {owner_, NowMicros() + absl::ToInt64Microseconds(lease_)}).status();
  });
}

absl::StatusOr<int> Ledger::ExpireLeases() {
  auto orphans = Select("state = 1 AND NOT EXISTS (SELECT 1 FROM process WHERE process.owner = attempt.owner AND lease_until_us > $1) "
                        "ORDER BY created_us LIMIT 100", {NowMicros()});
  if (!orphans.ok()) return orphans.status();
  int expired = 0;
  for (const Attempt& orphan : *orphans) {
    // Another replica may have been first, or the answer just came: then the table refuses, which is right.
    auto written = Write(orphan.attempt_id, {.kind = EventKind::kLeaseExpired});
    if (written.ok()) ++expired;
    else if (!absl::IsFailedPrecondition(written.status())) return written.status();
  }
  // Rows of processes that are gone for a day are of no use to anybody.
  absl::Status swept = database_.Write([&](Transaction& tx) {
    return tx.Execute("DELETE FROM process WHERE lease_until_us < $1", {NowMicros() - int64_t{86'400'000'000}}).status();
  });
  if (!swept.ok()) return swept;
  return expired;
}

absl::StatusOr<std::vector<Attempt>> Ledger::Claim(Transaction& tx, const std::string& condition, const char* column, int limit,
                                                   const std::function<absl::StatusOr<absl::Duration>(const Attempt&)>& next) {
  const int64_t now = NowMicros();
  const std::vector<Value> values = {now, limit};
  auto due = Read(tx, absl::StrCat(condition, " AND ", column, " <= $1 ORDER BY ", column, " LIMIT $2", tx.ForUpdateSkipLocked()), values);
  if (!due.ok()) return due;
  for (const Attempt& a : *due) {
    auto wait = next(a);
    if (!wait.ok()) return wait.status();
    auto moved = tx.Execute(absl::StrCat("UPDATE attempt SET ", column, " = $1 WHERE attempt_id = $2"),
                            {now + absl::ToInt64Microseconds(*wait), a.attempt_id});
    if (!moved.ok()) return moved.status();
  }
  return due;
}

absl::StatusOr<std::vector<Attempt>> Ledger::ClaimDue(int limit, absl::Duration hold) {
  std::vector<Attempt> due;
  absl::Status status = database_.Write([&](Transaction& tx) -> absl::Status {
    auto claimed = Claim(tx, "state = 4", "ask_at_us", limit, [hold](const Attempt&) { return hold; });
    if (claimed.ok()) due = std::move(*claimed);
    return claimed.status();
  });
  if (!status.ok()) return status;
  return due;
}

absl::StatusOr<std::vector<Attempt>> Ledger::Unknown(const std::string& tenant_id, int64_t after_us, const std::string& after_id, int limit) {
  return Select("state = 4 AND ($1 = '' OR tenant_id = $1) AND (unknown_us > $2 OR (unknown_us = $2 AND attempt_id > $3)) "
                "ORDER BY unknown_us, attempt_id LIMIT $4", {tenant_id, after_us, after_id, limit});
}

absl::StatusOr<int64_t> Ledger::CountUnknown() {
  int64_t count = 0;
  absl::Status status = database_.Read([&](Transaction& tx) -> absl::Status {
    auto rows = tx.Query("SELECT COUNT(*) AS n FROM attempt WHERE state = 4");
    if (rows.ok()) count = rows->front().Int("n");
    return rows.status();
  });
  if (!status.ok()) return status;
  return count;
}

absl::StatusOr<std::vector<VoidDue>> Ledger::ClaimToVoid(int limit) {
  std::vector<VoidDue> due;
  absl::Status status = database_.Write([&](Transaction& tx) -> absl::Status {
    due.clear();
    return Claim(tx, kVoidOwed, "void_at_us", limit, [&](const Attempt& a) -> absl::StatusOr<absl::Duration> {
      auto rows = tx.Query("SELECT COUNT(*) AS n FROM attempt WHERE tenant_id = $1 AND payment_id = $2 AND operation IN (3, 4)", {a.tenant_id, a.payment_id});
      if (!rows.ok()) return rows.status();
      const int earlier = static_cast<int>(rows->front().Int("n"));
      due.push_back({a, earlier});
      return absl::Seconds(std::min(5 << std::min(earlier, 10), 3600));
    }).status();
  });
  if (!status.ok()) return status;
  return due;
}

absl::StatusOr<std::vector<Attempt>> Ledger::ClaimToWipe(int limit, absl::Duration hold) {
  std::vector<Attempt> due;
  absl::Status status = database_.Write([&](Transaction& tx) -> absl::Status {
    auto claimed = Claim(tx, "wipe > 0", "wipe_at_us", limit, [hold](const Attempt&) { return hold; });
    if (claimed.ok()) due = std::move(*claimed);
    return claimed.status();
  });
  if (!status.ok()) return status;
  return due;
}

absl::Status Ledger::Wiped(const std::string& attempt_id, int wipe) {
  return outcomes_.Write([&](Transaction& tx) {
    return tx.Execute("UPDATE attempt SET wipe = 0 WHERE attempt_id = $1 AND wipe <= $2", {attempt_id, wipe}).status();
  });
}

}  // namespace flattone::gateway
