#include "services/session-orchestration/tenant/records.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/session-orchestration/payment/money.h"
#include "services/session-orchestration/session/free_text.h"
#include "services/session-orchestration/tenant/credentials.h"

namespace flattone::session {
namespace {

using storage::Blob;
using storage::Transaction;

absl::Status NotFound(const char* code, const char* what) {
  return Refusal(absl::StatusCode::kNotFound, {.code = code, .field = {}, .limit = {}, .fix = {}}, absl::StrCat("no such ", what));
}

absl::Status CheckRoles(const v1::ApiKey& key) {
  if (key.roles().empty()) return InvalidField("key.roles", "is empty", "at least one of SESSIONS, FINANCE, READ, PLATFORM");
  for (const int role : key.roles()) {
    if (role < v1::API_KEY_ROLE_SESSIONS || role > v1::API_KEY_ROLE_PLATFORM) return InvalidField("key.roles", absl::StrCat("has ", role), "SESSIONS, FINANCE, READ, PLATFORM");
  }
  return absl::OkStatus();
}

// Microseconds, 0: does not expire.
absl::StatusOr<int64_t> ExpiryOf(const v1::ApiKey& key, absl::Time now) {
  if (key.expires_at().empty()) return 0;
  absl::Time at;
  std::string problem;
  if (!absl::ParseTime(absl::RFC3339_full, key.expires_at(), &at, &problem) || at <= now || at > now + absl::Hours(24 * 366 * 100)) {
    return InvalidField("key.expires_at", "cannot be used", "a time to come, RFC 3339, or empty");
  }
  return absl::ToUnixMicros(at);
}

}  // namespace

absl::Status TenantNotFound() { return NotFound("tenant_not_found", "tenant"); }
absl::Status KeyNotFound() { return NotFound("key_not_found", "API key"); }

absl::Status CheckTenant(const v1::Tenant& tenant) {
  if (absl::Status name = CheckRequiredText("tenant.name", tenant.name(), 100); !name.ok()) return name;
  if (tenant.max_amount_minor() < 0 || tenant.max_amount_minor() > kMaxAmountMinor) {
    return InvalidField("tenant.max_amount_minor", absl::StrCat("is ", tenant.max_amount_minor()), absl::StrCat("0 or 1 to ", kMaxAmountMinor));
  }
  if (tenant.currency_codes_size() > 200) return InvalidField("tenant.currency_codes", "has too many entries", "at most 200 codes");
  for (const std::string& code : tenant.currency_codes()) {
    if (!MinorUnits(code).has_value()) return InvalidField("tenant.currency_codes", "has an unknown code", "ISO 4217 alphabetic codes");
  }
  return absl::OkStatus();
}

bool IsSuspended(const v1::Tenant& tenant) { return tenant.suspended() || tenant.suspended_by_platform(); }

absl::StatusOr<v1::Tenant> LoadTenant(Transaction& tx, const std::string& id, Lock lock) {
  auto rows = tx.Query("SELECT body FROM tenant WHERE id = $1" + (lock == Lock::kYes ? tx.ForUpdate() : std::string()), {id});
  if (!rows.ok()) return rows.status();
  v1::Tenant tenant;
  if (rows->empty() || !tenant.ParseFromString(rows->front().Bytes("body"))) return TenantNotFound();
  return tenant;
}

absl::Status InsertTenant(Transaction& tx, const v1::Tenant& tenant, int64_t now_us) {
  return tx.Execute("INSERT INTO tenant (id, platform_id, mode, suspended, created_us, body) VALUES ($1, $2, $3, $4, $5, $6)",
                    {tenant.id(), tenant.platform_id(), static_cast<int>(tenant.mode()), IsSuspended(tenant), now_us, Blob{tenant.SerializeAsString()}}).status();
}

absl::Status SaveTenant(Transaction& tx, const v1::Tenant& tenant) {
  return tx.Execute("UPDATE tenant SET suspended = $1, body = $2 WHERE id = $3", {IsSuspended(tenant), Blob{tenant.SerializeAsString()}, tenant.id()}).status();
}

absl::StatusOr<v1::ApiKey> InsertKey(Transaction& tx, Random& random, absl::Time now, v1::ApiKey key) {
  if (absl::Status roles = CheckRoles(key); !roles.ok()) return roles;
  if (absl::Status text = CheckText("key.description", key.description(), 200); !text.ok()) return text;
  auto expires = ExpiryOf(key, now);
  if (!expires.ok()) return expires.status();
  key.set_id(RandomId(random, "key"));
  key.set_revoked(false);
  key.clear_secret();
  key.set_created_at(TimeText(absl::ToUnixMicros(now)));
  const std::string secret = NewSecret(random, key.mode() == common::v1::MODE_LIVE ? "ft_live_" : "ft_test_");
  auto stored = tx.Execute("INSERT INTO api_key (id, tenant_id, mode, secret_hash, expires_us, revoked, created_us, body)"
                           " VALUES ($1, $2, $3, $4, $5, 0, $6, $7)",
                           {key.id(), key.tenant_id(), static_cast<int>(key.mode()), SecretHash(secret), *expires, absl::ToUnixMicros(now),
                            Blob{key.SerializeAsString()}});
  if (!stored.ok()) return stored.status();
  key.set_secret(secret);
  return key;
}

absl::Status RecordAction(Transaction& tx, absl::Time now, const std::string& actor, const std::string& action, const std::string& tenant_id,
                          const std::string& object) {
  auto number = tx.Query("UPDATE counter SET value = value + 1 WHERE name = 'admin_action' RETURNING value");
  if (!number.ok()) return number.status();
  return tx.Execute("INSERT INTO admin_action (sequence, time_us, actor, action, tenant_id, object) VALUES ($1, $2, $3, $4, $5, $6)",
                    {number->front().Int("value"), absl::ToUnixMicros(now), actor, action, tenant_id, object}).status();
}

int SizeOfPage(uint32_t wanted) { return wanted == 0 ? 50 : static_cast<int>(std::min<uint32_t>(wanted, 200)); }

}  // namespace flattone::session
