#include "services/session-orchestration/webhook/delivery_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/session-orchestration/replica/replica.h"

namespace flattone::session {
namespace {

constexpr int kPending = 1, kDelivered = 2, kFailed = 3;  // session.v1.DeliveryState

absl::Status Leased(const absl::StatusOr<int64_t>& changed) {
  if (!changed.ok()) return changed.status();
  if (*changed == 1) return absl::OkStatus();
  return Refusal(absl::StatusCode::kAborted, {.code = "lease_lost", .field = {}, .limit = {}, .fix = {}},
                 "the delivery is not leased to this sender any more");
}

bool Matches(std::string_view pattern, std::string_view type) {
  if (pattern == "*" || pattern == type) return true;
  const bool prefix = pattern.size() >= 2 && pattern.substr(pattern.size() - 2) == ".*";
  return prefix && type.substr(0, pattern.size() - 1) == pattern.substr(0, pattern.size() - 1);
}

// " AND column NOT IN (…)" for those that have their bound under way; "" where none has.
std::string WithoutFull(const char* column, const std::map<std::string, int>& under_way, int bound, std::vector<storage::Value>& values) {
  std::string full;
  for (const auto& [name, count] : under_way) {
    if (count < bound) continue;
    values.emplace_back(name);
    absl::StrAppend(&full, full.empty() ? absl::StrCat(" AND ", column, " NOT IN (") : ", ", "$", values.size());
  }
  return full.empty() ? full : full + ")";
}

absl::Status ReadOldSecrets(storage::Transaction& tx, const std::string& endpoint_id, int64_t now_us,
                            std::map<std::string, std::vector<std::string>>& out) {
  const auto [found, missing] = out.try_emplace(endpoint_id);
  if (!missing) return absl::OkStatus();
  auto rows = tx.Query("SELECT secret FROM webhook_old_secret WHERE endpoint_id = $1 AND until_us > $2 ORDER BY until_us DESC",
                       {endpoint_id, now_us});
  if (!rows.ok()) return rows.status();
  for (const storage::Row& row : *rows) found->second.push_back(row.Bytes("secret"));
  return absl::OkStatus();
}

}  // namespace

bool Wants(std::string_view event_types, std::string_view type) {
  if (event_types.empty()) return Matches("payment.*", type) || type == "session.ended";
  while (!event_types.empty()) {
    const size_t comma = event_types.find(',');
    if (Matches(event_types.substr(0, comma), type)) return true;
    if (comma == std::string_view::npos) break;
    event_types.remove_prefix(comma + 1);
  }
  return false;
}

absl::Status EnqueueDeliveries(storage::Transaction& tx, Random& random, const OutboxEvent& event) {
  auto endpoints = tx.Query(
      "SELECT id, event_types FROM webhook_endpoint WHERE tenant_id = $1 AND mode = $2 AND disabled = 0 AND deleted = 0 ORDER BY id" +
          tx.ForUpdate(),
      {event.tenant_id, event.mode});
  if (!endpoints.ok()) return endpoints.status();
  for (const storage::Row& endpoint : *endpoints) {
    if (!Wants(endpoint.Text("event_types"), event.type)) continue;
    const std::string id = endpoint.Text("id");
    auto numbered = tx.Query("UPDATE webhook_endpoint SET last_sequence = last_sequence + 1 WHERE id = $1 RETURNING last_sequence", {id});
    if (!numbered.ok()) return numbered.status();
    auto inserted = tx.Execute(
        "INSERT INTO webhook_delivery (id, tenant_id, mode, endpoint_id, endpoint_sequence, event_id, event_type, state, attempts,"
        " next_attempt_us, owner, owner_until_us, last_status, last_error, created_us, delivered_us)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, '', 0, 0, '', $10, 0)",
        {RandomId(random, "msg"), event.tenant_id, event.mode, id, numbered->front().Int("last_sequence"), event.id, event.type, kPending,
         event.time_us, event.time_us});
    if (!inserted.ok()) return inserted.status();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ClaimedDelivery>> ClaimDeliveries(storage::Transaction& tx, std::string_view owner, absl::Time now,
                                                             absl::Duration lease, SenderRoom room) {
  if (absl::Status mine = StillReplica(tx, owner); !mine.ok()) return mine;
  const int64_t now_us = absl::ToUnixMicros(now);
  const std::string lock = tx.dialect() == storage::Dialect::kPostgresql ? " FOR UPDATE OF d SKIP LOCKED" : "";
  std::vector<storage::Value> values = {now_us, now_us, room.deliveries};
  std::string full = WithoutFull("d.endpoint_id", room.under_way, room.per_endpoint, values);
  full += WithoutFull("d.tenant_id", room.of_tenant, room.per_tenant, values);
  auto rows = tx.Query(
      "SELECT d.id, d.tenant_id, d.endpoint_id, d.endpoint_sequence, d.event_id, d.attempts,"
      " e.body, w.url, w.secret, w.signing_key, w.failing_since_us"
      " FROM webhook_delivery d JOIN webhook_endpoint w ON w.id = d.endpoint_id JOIN event e ON e.id = d.event_id"
      " WHERE d.state = 1 AND d.next_attempt_us <= $1 AND d.owner_until_us <= $2 AND w.disabled = 0 AND w.deleted = 0" + full +
          " ORDER BY d.next_attempt_us, d.endpoint_sequence LIMIT $3" + lock,
      values);
  if (!rows.ok()) return rows.status();
  std::vector<ClaimedDelivery> claimed;
  std::map<std::string, std::vector<std::string>> old_secrets;  // by endpoint
  for (const storage::Row& row : *rows) {
    ClaimedDelivery d;
    d.endpoint_id = row.Text("endpoint_id");
    d.tenant_id = row.Text("tenant_id");
    int& of_endpoint = room.under_way[d.endpoint_id];
    int& of_tenant = room.of_tenant[d.tenant_id];
    if (of_endpoint >= room.per_endpoint || of_tenant >= room.per_tenant) continue;
    ++of_endpoint;
    ++of_tenant;
    d.id = row.Text("id");
    d.event_id = row.Text("event_id");
    d.endpoint_sequence = row.Int("endpoint_sequence");
    d.attempts = static_cast<int>(row.Int("attempts"));
    d.event_body = row.Bytes("body");
    d.url = row.Text("url");
    d.secret = row.Bytes("secret");
    if (absl::Status read = ReadOldSecrets(tx, d.endpoint_id, now_us, old_secrets); !read.ok()) return read;
    d.old_secrets = old_secrets[d.endpoint_id];
    d.signing_key = row.Bytes("signing_key");
    d.failing_since_us = row.Int("failing_since_us");
    auto leased = tx.Execute("UPDATE webhook_delivery SET owner = $1, owner_until_us = $2 WHERE id = $3",
                             {owner, absl::ToUnixMicros(now + lease), d.id});
    if (!leased.ok()) return leased.status();
    claimed.push_back(std::move(d));
  }
  return claimed;
}

absl::Status MarkDelivered(storage::Transaction& tx, std::string_view owner, const ClaimedDelivery& delivery, int status, absl::Time now) {
  const absl::Status marked = Leased(tx.Execute(
      "UPDATE webhook_delivery SET state = $1, attempts = attempts + 1, last_status = $2, last_error = '', delivered_us = $3,"
      " owner = '', owner_until_us = 0 WHERE id = $4 AND tenant_id = $5 AND owner = $6 AND state = 1",
      {kDelivered, status, absl::ToUnixMicros(now), delivery.id, delivery.tenant_id, owner}));
  if (!marked.ok()) return marked;
  // Not by what was claimed: another delivery may have failed since.
  return tx.Execute("UPDATE webhook_endpoint SET failing_since_us = 0 WHERE id = $1 AND failing_since_us <> 0", {delivery.endpoint_id}).status();
}

absl::Status MarkRetry(storage::Transaction& tx, std::string_view owner, const ClaimedDelivery& delivery, const DeliveryResult& result,
                       absl::Time next, absl::Time now) {
  const absl::Status marked = Leased(tx.Execute(
      "UPDATE webhook_delivery SET attempts = attempts + 1, last_status = $1, last_error = $2, next_attempt_us = $3, owner = '',"
      " owner_until_us = 0 WHERE id = $4 AND tenant_id = $5 AND owner = $6 AND state = 1",
      {result.status, result.error, absl::ToUnixMicros(next), delivery.id, delivery.tenant_id, owner}));
  if (!marked.ok()) return marked;
  return tx.Execute("UPDATE webhook_endpoint SET failing_since_us = $1 WHERE id = $2 AND failing_since_us = 0",
                    {absl::ToUnixMicros(now), delivery.endpoint_id}).status();
}

absl::Status MarkFailed(storage::Transaction& tx, std::string_view owner, const ClaimedDelivery& delivery, const DeliveryResult& result,
                        absl::Time) {
  return Leased(tx.Execute(
      "UPDATE webhook_delivery SET state = $1, attempts = attempts + 1, last_status = $2, last_error = $3, owner = '', owner_until_us = 0"
      " WHERE id = $4 AND tenant_id = $5 AND owner = $6 AND state = 1",
      {kFailed, result.status, result.error, delivery.id, delivery.tenant_id, owner}));
}

absl::Status DisableEndpoint(storage::Transaction& tx, std::string_view tenant_id, std::string_view endpoint_id, std::string_view reason) {
  return tx.Execute("UPDATE webhook_endpoint SET disabled = 1, disabled_reason = $1 WHERE id = $2 AND tenant_id = $3 AND disabled = 0"
                    " AND ($4 <> 'failing' OR failing_since_us <> 0)",
                    {reason, endpoint_id, tenant_id, reason}).status();
}

absl::StatusOr<int64_t> ReplayDeliveries(storage::Transaction& tx, std::string_view tenant_id, std::string_view endpoint_id,
                                         int64_t from, int64_t to, absl::Time now) {
  return tx.Execute(
      "UPDATE webhook_delivery SET state = $1, attempts = 0, next_attempt_us = $2, owner = '', owner_until_us = 0"
      " WHERE tenant_id = $3 AND endpoint_id = $4 AND endpoint_sequence >= $5 AND endpoint_sequence <= $6",
      {kPending, absl::ToUnixMicros(now), tenant_id, endpoint_id, from, to});
}

}  // namespace flattone::session
