#include "services/session-orchestration/store/rows.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::session {
namespace {

using storage::Blob;
using storage::Row;
using storage::Rows;
using storage::Transaction;

absl::Status NotFound(const char* code, const char* what) {
  return Refusal(absl::StatusCode::kNotFound, {.code = code, .field = {}, .limit = {}, .fix = {}}, absl::StrCat("no such ", what));
}

// A statement that must change exactly one row.
absl::Status One(const absl::StatusOr<int64_t>& changed, const char* what) {
  if (!changed.ok()) return changed.status();
  return *changed == 1 ? absl::OkStatus() : absl::InternalError(absl::StrCat(what, ": the row is gone"));
}

std::string LockOf(const Transaction& tx, Lock lock) { return lock == Lock::kYes ? tx.ForUpdate() : std::string(); }

template <typename M>
std::string Packed(const M& message) { return message.SerializeAsString(); }

SessionRow SessionIn(const Row& row) {
  SessionRow s;
  s.id = row.Text("id");
  s.tenant_id = row.Text("tenant_id");
  s.mode = static_cast<int>(row.Int("mode"));
  s.capture_id = row.Text("capture_id");
  s.payment_id = row.Text("payment_id");
  s.end_when_settled = row.Text("end_when_settled");
  s.last_event = row.Int("last_event");
  s.created_us = row.Int("created_us");
  s.expires_us = row.Int("expires_us");
  s.body.ParseFromString(row.Bytes("body"));
  return s;
}

PaymentRow PaymentIn(const Row& row) {
  PaymentRow p;
  p.id = row.Text("id");
  p.tenant_id = row.Text("tenant_id");
  p.mode = static_cast<int>(row.Int("mode"));
  p.session_id = row.Text("session_id");
  p.capture_id = row.Text("capture_id");
  p.authorise_version = row.Int("authorise_version");
  p.created_us = row.Int("created_us");
  p.body.ParseFromString(row.Bytes("body"));
  return p;
}

template <typename T, typename F>
absl::StatusOr<T> OneOf(const absl::StatusOr<Rows>& rows, F&& read, const char* code, const char* what) {
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return NotFound(code, what);
  return read(rows->front());
}

}  // namespace

std::string TimeText(int64_t unix_us) {
  if (unix_us == 0) return {};
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMicros(unix_us), absl::UTCTimeZone());
}

absl::StatusOr<SessionRow> LoadSession(Transaction& tx, const World& world, std::string_view id, Lock lock) {
  return OneOf<SessionRow>(tx.Query("SELECT * FROM session WHERE id = $1 AND tenant_id = $2 AND mode = $3" + LockOf(tx, lock),
                                    {id, world.tenant_id, world.mode}),
                           SessionIn, "session_not_found", "session");
}
absl::StatusOr<SessionRow> LoadSessionOfTenant(Transaction& tx, std::string_view tenant_id, std::string_view id, Lock lock) {
  return OneOf<SessionRow>(tx.Query("SELECT * FROM session WHERE id = $1 AND tenant_id = $2" + LockOf(tx, lock), {id, tenant_id}),
                           SessionIn, "session_not_found", "session");
}
absl::Status InsertSession(Transaction& tx, const SessionRow& s) {
  return One(tx.Execute("INSERT INTO session (id, tenant_id, mode, state, call_reference, capture_id, payment_id, end_when_settled,"
                        " last_event, created_us, expires_us, body) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)",
                        {s.id, s.tenant_id, s.mode, static_cast<int>(s.body.state()), s.body.call_reference(), s.capture_id, s.payment_id,
                         s.end_when_settled, s.last_event, s.created_us, s.expires_us, Blob{Packed(s.body)}}),
             "session");
}
absl::Status SaveSession(Transaction& tx, const SessionRow& s) {
  return One(tx.Execute("UPDATE session SET state = $1, capture_id = $2, payment_id = $3, end_when_settled = $4, last_event = $5,"
                        " expires_us = $6, body = $7 WHERE id = $8 AND tenant_id = $9",
                        {static_cast<int>(s.body.state()), s.capture_id, s.payment_id, s.end_when_settled, s.last_event, s.expires_us,
                         Blob{Packed(s.body)}, s.id, s.tenant_id}),
             "session");
}

absl::StatusOr<PaymentRow> LoadPayment(Transaction& tx, const World& world, std::string_view id, Lock lock) {
  return OneOf<PaymentRow>(tx.Query("SELECT * FROM payment WHERE id = $1 AND tenant_id = $2 AND mode = $3" + LockOf(tx, lock),
                                    {id, world.tenant_id, world.mode}),
                           PaymentIn, "payment_not_found", "payment");
}
absl::StatusOr<PaymentRow> LoadPaymentOfTenant(Transaction& tx, std::string_view tenant_id, std::string_view id, Lock lock) {
  return OneOf<PaymentRow>(tx.Query("SELECT * FROM payment WHERE id = $1 AND tenant_id = $2" + LockOf(tx, lock), {id, tenant_id}),
                           PaymentIn, "payment_not_found", "payment");
}
absl::StatusOr<std::vector<PaymentRow>> PaymentsOf(Transaction& tx, const SessionRow& session) {
  auto rows = tx.Query("SELECT * FROM payment WHERE session_id = $1 AND tenant_id = $2 ORDER BY created_us, id LIMIT 50",
                       {session.id, session.tenant_id});
  if (!rows.ok()) return rows.status();
  std::vector<PaymentRow> out;
  for (const Row& row : *rows) out.push_back(PaymentIn(row));
  return out;
}
absl::Status InsertPayment(Transaction& tx, const PaymentRow& p) {
  return One(tx.Execute("INSERT INTO payment (id, tenant_id, mode, session_id, capture_id, state, order_reference, amount_minor,"
                        " authorise_version, created_us, body) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)",
                        {p.id, p.tenant_id, p.mode, p.session_id, p.capture_id, static_cast<int>(p.body.state()), p.body.order_reference(),
                         p.body.amount().amount_minor(), p.authorise_version, p.created_us, Blob{Packed(p.body)}}),
             "payment");
}
absl::Status SavePayment(Transaction& tx, const PaymentRow& p) {
  return One(tx.Execute("UPDATE payment SET state = $1, authorise_version = $2, body = $3 WHERE id = $4 AND tenant_id = $5",
                        {static_cast<int>(p.body.state()), p.authorise_version, Blob{Packed(p.body)}, p.id, p.tenant_id}),
             "payment");
}

std::vector<CaptureRow> CapturesIn(const Rows& rows) {
  std::vector<CaptureRow> out;
  for (const Row& row : rows) {
    CaptureRow c;
    c.id = row.Text("id");
    c.tenant_id = row.Text("tenant_id");
    c.session_id = row.Text("session_id");
    c.phase = row.Text("phase");
    c.relay_id = row.Text("relay_id");
    c.relay_address = row.Text("relay_address");
    c.call_id = row.Text("call_id");
    c.vault_address = row.Text("vault_address");
    c.vault_replica = row.Text("vault_replica");
    c.revision = row.Int("revision");
    c.owner = row.Text("owner");
    c.traceparent = row.Text("traceparent");
    c.owner_until_us = row.Int("owner_until_us");
    c.vault_done = row.Bool("vault_done");
    c.relay_done = row.Bool("relay_done");
    c.tries = row.Int("tries");
    c.next_try_us = row.Int("next_try_us");
    c.created_us = row.Int("created_us");
    out.push_back(std::move(c));
  }
  return out;
}
absl::StatusOr<CaptureRow> LoadCapture(Transaction& tx, std::string_view tenant_id, std::string_view id, Lock lock) {
  auto rows = tx.Query("SELECT * FROM capture WHERE id = $1 AND tenant_id = $2" + LockOf(tx, lock), {id, tenant_id});
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return NotFound("no_capture", "capture");
  return CapturesIn(*rows).front();
}
absl::Status InsertCapture(Transaction& tx, const CaptureRow& c) {
  return One(tx.Execute("INSERT INTO capture (id, tenant_id, session_id, phase, relay_id, relay_address, call_id, vault_address,"
                        " vault_replica, revision, owner, owner_until_us, vault_done, relay_done, tries, next_try_us, created_us,"
                        " traceparent)"
                        " VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18)",
                        {c.id, c.tenant_id, c.session_id, c.phase, c.relay_id, c.relay_address, c.call_id, c.vault_address, c.vault_replica,
                         c.revision, c.owner, c.owner_until_us, c.vault_done, c.relay_done, c.tries, c.next_try_us, c.created_us,
                         c.traceparent}),
             "capture");
}
absl::Status SaveCapture(Transaction& tx, const CaptureRow& c) {
  return One(tx.Execute("UPDATE capture SET phase = $1, relay_id = $2, relay_address = $3, call_id = $4, vault_address = $5,"
                        " vault_replica = $6, revision = $7, owner = $8, owner_until_us = $9, vault_done = $10, relay_done = $11,"
                        " tries = $12, next_try_us = $13 WHERE id = $14 AND tenant_id = $15",
                        {c.phase, c.relay_id, c.relay_address, c.call_id, c.vault_address, c.vault_replica, c.revision, c.owner,
                         c.owner_until_us, c.vault_done, c.relay_done, c.tries, c.next_try_us, c.id, c.tenant_id}),
             "capture");
}

std::vector<OperationRow> OperationsIn(const Rows& rows) {
  std::vector<OperationRow> out;
  for (const Row& row : rows) {
    OperationRow o;
    o.id = row.Text("id");
    o.tenant_id = row.Text("tenant_id");
    o.payment_id = row.Text("payment_id");
    o.kind = static_cast<int>(row.Int("kind"));
    o.amount_minor = row.Int("amount_minor");
    o.state = row.Text("state");
    o.version = row.Int("version");
    o.actor = row.Text("actor");
    o.traceparent = row.Text("traceparent");
    o.token_id = row.Text("token_id");
    o.vault_address = row.Text("vault_address");
    o.code_held = row.Bool("code_held");
    o.tries = row.Int("tries");
    o.next_try_us = row.Int("next_try_us");
    o.created_us = row.Int("created_us");
    out.push_back(std::move(o));
  }
  return out;
}
absl::StatusOr<OperationRow> LoadOperation(Transaction& tx, std::string_view tenant_id, std::string_view id, Lock lock) {
  auto rows = tx.Query("SELECT * FROM operation WHERE id = $1 AND tenant_id = $2" + LockOf(tx, lock), {id, tenant_id});
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return NotFound("operation_not_found", "operation");
  return OperationsIn(*rows).front();
}
absl::StatusOr<std::vector<OperationRow>> OperationsOf(Transaction& tx, const PaymentRow& payment) {
  auto rows = tx.Query("SELECT * FROM operation WHERE tenant_id = $1 AND payment_id = $2 ORDER BY created_us, id",
                       {payment.tenant_id, payment.id});
  if (!rows.ok()) return rows.status();
  return OperationsIn(*rows);
}
absl::Status InsertOperation(Transaction& tx, const OperationRow& o) {
  return One(tx.Execute("INSERT INTO operation (id, tenant_id, payment_id, kind, amount_minor, state, version, actor, token_id,"
                        " vault_address, code_held, tries, next_try_us, created_us, traceparent)"
                        " VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)",
                        {o.id, o.tenant_id, o.payment_id, o.kind, o.amount_minor, o.state, o.version, o.actor, o.token_id, o.vault_address,
                         o.code_held, o.tries, o.next_try_us, o.created_us, o.traceparent}),
             "operation");
}
absl::Status SaveOperation(Transaction& tx, const OperationRow& o) {
  return One(tx.Execute("UPDATE operation SET amount_minor = $1, state = $2, version = $3, token_id = $4, vault_address = $5,"
                        " code_held = $6, tries = $7, next_try_us = $8 WHERE id = $9 AND tenant_id = $10",
                        {o.amount_minor, o.state, o.version, o.token_id, o.vault_address, o.code_held, o.tries, o.next_try_us, o.id,
                         o.tenant_id}),
             "operation");
}

}  // namespace flattone::session
