#include "services/session-orchestration/store/idempotency.h"

#include "libs/base/error.h"

namespace flattone::session {
namespace {

constexpr absl::Duration kKept = absl::Hours(24 * 30);
constexpr char kWhere[] = " WHERE tenant_id = $1 AND mode = $2 AND method = $3 AND resource = $4 AND key = $5";

}  // namespace

absl::Status CheckKey(const std::string& key) {
  bool printable = key.size() <= 255;
  for (char c : key) printable = printable && c >= 0x20 && c < 0x7f;
  if (!key.empty() && printable) return absl::OkStatus();
  const char* code = key.empty() ? "idempotency_key_required" : "invalid_field";
  return Refusal(absl::StatusCode::kInvalidArgument,
                 {.code = code, .field = "Idempotency-Key", .limit = "1 to 255 printable ASCII characters",
                  .fix = "send a key of your own, the same one on every retry of this request"},
                 key.empty() ? "Idempotency-Key is missing; every change needs one" : "Idempotency-Key is not 1 to 255 printable ASCII characters");
}

absl::StatusOr<std::optional<std::string>> BeginOnce(storage::Transaction& tx, const OnceScope& s, absl::Time now, absl::Duration lease) {
  const int64_t now_us = absl::ToUnixMicros(now);
  const int64_t until = absl::ToUnixMicros(now + lease), expires = absl::ToUnixMicros(now + kKept);
  auto claimed = tx.Execute(
      "INSERT INTO idempotency (tenant_id, mode, method, resource, key, request_hash, state, lease_until_us, expires_us, answer)"
      " VALUES ($1, $2, $3, $4, $5, $6, 'RUNNING', $7, $8, $9) ON CONFLICT DO NOTHING",
      {s.world.tenant_id, s.world.mode, s.method, s.resource, s.key, s.request_hash, until, expires, storage::Blob{}});
  if (!claimed.ok()) return claimed.status();
  if (*claimed == 1) return std::nullopt;
  auto rows = tx.Query("SELECT request_hash, state, lease_until_us, expires_us, answer FROM idempotency" + std::string(kWhere) + tx.ForUpdate(),
                       {s.world.tenant_id, s.world.mode, s.method, s.resource, s.key});
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return absl::AbortedError("the first request with this key was just refused; try again");
  const storage::Row& row = rows->front();
  const bool old = row.Int("expires_us") <= now_us;
  if (!old && row.Text("request_hash") != s.request_hash) {
    return Refusal(absl::StatusCode::kInvalidArgument,
                   {.code = "idempotency_key_reused", .field = "Idempotency-Key", .limit = "one request per key for 30 days",
                    .fix = "use a new key for a new request"},
                   "Idempotency-Key was used with another request");
  }
  if (!old && row.Text("state") == "DONE") return row.Bytes("answer");
  if (!old && row.Int("lease_until_us") > now_us) {
    return Refusal(absl::StatusCode::kAborted,
                   {.code = "idempotency_in_progress", .field = "Idempotency-Key", .limit = {}, .fix = "repeat the request in a second"},
                   "the first request with this Idempotency-Key is still running");
  }
  auto taken = tx.Execute("UPDATE idempotency SET request_hash = $6, state = 'RUNNING', lease_until_us = $7, expires_us = $8" + std::string(kWhere),
                          {s.world.tenant_id, s.world.mode, s.method, s.resource, s.key, s.request_hash, until, expires});
  if (!taken.ok()) return taken.status();
  return std::nullopt;
}

absl::Status FinishOnce(storage::Transaction& tx, const OnceScope& s, const std::string& answer, absl::Time now) {
  return tx.Execute("UPDATE idempotency SET state = 'DONE', answer = $6, expires_us = $7" + std::string(kWhere),
                    {s.world.tenant_id, s.world.mode, s.method, s.resource, s.key, storage::Blob{answer}, absl::ToUnixMicros(now + kKept)}).status();
}

absl::Status AbandonOnce(storage::Transaction& tx, const OnceScope& s) {
  return tx.Execute("DELETE FROM idempotency" + std::string(kWhere) + " AND state = 'RUNNING' AND request_hash = $6",
                    {s.world.tenant_id, s.world.mode, s.method, s.resource, s.key, s.request_hash}).status();
}

absl::Status SweepOnce(storage::Transaction& tx, absl::Time now, int limit) {
  return tx.Execute(
      "DELETE FROM idempotency WHERE (tenant_id, mode, method, resource, key) IN"
      " (SELECT tenant_id, mode, method, resource, key FROM idempotency WHERE expires_us <= $1 LIMIT $2)",
      {absl::ToUnixMicros(now), limit}).status();
}

}  // namespace flattone::session
