#include "services/session-orchestration/tenant/credentials.h"

#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "flattone/session/v1/admin.pb.h"
#include "libs/base/error.h"
#include "libs/crypto/digest.h"
#include "services/session-orchestration/tenant/records.h"

namespace flattone::session {
namespace {

std::string Hex(std::span<const uint8_t> bytes) {
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

absl::Status Refused(absl::StatusCode status, const char* code, const char* message, const char* fix) {
  return Refusal(status, {.code = code, .field = {}, .limit = {}, .fix = fix}, message);
}
absl::Status Invalid() {
  return Refused(absl::StatusCode::kUnauthenticated, "credential_invalid", "the credential is unknown, expired or revoked",
                 "use a valid API key or agent token");
}

absl::Status Suspended() {
  return Refused(absl::StatusCode::kPermissionDenied, "tenant_suspended", "the tenant is suspended", "ask the operator, or its platform");
}

// A tenant that may act now: neither it nor its platform is suspended.
absl::StatusOr<v1::Tenant> LoadActive(storage::Transaction& tx, const std::string& id) {
  auto tenant = LoadTenant(tx, id, Lock::kNo);
  if (tenant.status().code() == absl::StatusCode::kNotFound) return Invalid();
  if (!tenant.ok()) return tenant;
  if (IsSuspended(*tenant)) return Suspended();
  if (tenant->platform_id().empty()) return tenant;
  auto platform = LoadTenant(tx, tenant->platform_id(), Lock::kNo);
  if (!platform.ok()) return platform;
  return IsSuspended(*platform) ? absl::StatusOr<v1::Tenant>(Suspended()) : tenant;
}

// The tenant that a key acts for: its own, or one of its platform's in the key's own mode.
absl::StatusOr<std::string> ActingTenant(storage::Transaction& tx, const std::string& own, int mode, const std::string& wanted) {
  auto mine = LoadActive(tx, own);
  if (!mine.ok()) return mine.status();
  if (wanted.empty() || wanted == own) return own;
  auto theirs = LoadTenant(tx, wanted, Lock::kNo);
  const bool ours = mine->platform() && theirs.ok() && theirs->platform_id() == own &&
                    (theirs->mode() == common::v1::MODE_UNSPECIFIED || static_cast<int>(theirs->mode()) == mode);
  if (!ours) {
    return Refused(absl::StatusCode::kPermissionDenied, "tenant_not_yours", "Flattone-Tenant names a tenant that this key does not act for",
                   "leave the header out, or name a tenant of this platform");
  }
  if (IsSuspended(*theirs)) return Suspended();
  return wanted;
}

absl::StatusOr<Caller> FromKey(storage::Transaction& tx, const CallContext& context, int64_t now_us) {
  auto rows = tx.Query("SELECT id, tenant_id, mode, expires_us, revoked, body FROM api_key WHERE secret_hash = $1", {SecretHash(context.credential)});
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return Invalid();
  const storage::Row& row = rows->front();
  const int64_t expires = row.Int("expires_us");
  v1::ApiKey key;
  if (row.Bool("revoked") || (expires != 0 && expires <= now_us) || !key.ParseFromString(row.Bytes("body"))) return Invalid();
  auto tenant = ActingTenant(tx, row.Text("tenant_id"), static_cast<int>(row.Int("mode")), context.acting_tenant);
  if (!tenant.ok()) return tenant.status();
  Caller caller;
  caller.world = {*tenant, static_cast<int>(row.Int("mode"))};
  caller.key_id = caller.actor = row.Text("id");
  for (const int role : key.roles()) caller.roles |= 1u << static_cast<unsigned>(role);
  return caller;
}

absl::StatusOr<Caller> FromAgentToken(storage::Transaction& tx, const CallContext& context, int64_t now_us) {
  auto rows = tx.Query(
      "SELECT a.tenant_id, a.mode, a.session_id, a.actions, a.agent, a.key_id FROM agent_token a JOIN api_key k ON k.id = a.key_id"
      " WHERE a.secret_hash = $1 AND a.expires_us > $2 AND k.revoked = 0 AND (k.expires_us = 0 OR k.expires_us > $3)",
      {SecretHash(context.credential), now_us, now_us});
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return Invalid();
  const storage::Row& row = rows->front();
  auto tenant = LoadActive(tx, row.Text("tenant_id"));
  if (!tenant.ok()) return tenant.status();
  Caller caller;
  caller.world = {row.Text("tenant_id"), static_cast<int>(row.Int("mode"))};
  caller.session_id = row.Text("session_id");
  caller.actions = static_cast<uint32_t>(row.Int("actions"));
  caller.actor = row.Text("agent");
  caller.key_id = row.Text("key_id");
  return caller;
}

}  // namespace

std::string NewSecret(Random& random, std::string_view prefix) {
  std::array<uint8_t, 32> bits;
  random.Fill(bits);
  return absl::StrCat(std::string(prefix), Hex(bits));
}

std::string SecretHash(std::string_view secret) { return Hex(crypto::Sha256(crypto::AsBytes(secret))); }

absl::StatusOr<Caller> Authenticate(storage::Transaction& tx, const CallContext& context, absl::Time now) {
  using Kind = CallContext::Credential;
  if (context.credential_kind == Kind::kNone || context.credential.empty()) {
    return Refused(absl::StatusCode::kUnauthenticated, "credential_missing", "no credential was sent",
                   "send Authorization: Bearer with an API key or an agent token");
  }
  if (context.credential_kind == Kind::kAgentCookie && !context.same_site) {
    return Refused(absl::StatusCode::kPermissionDenied, "cross_site", "the cookie came with a request from another site",
                   "send the agent token in the Authorization header");
  }
  const bool agent = context.credential.rfind("agt_", 0) == 0;
  if (agent && context.credential_kind != Kind::kApiKey) return FromAgentToken(tx, context, absl::ToUnixMicros(now));
  if (context.credential_kind == Kind::kAgentCookie) return Invalid();
  return FromKey(tx, context, absl::ToUnixMicros(now));
}

}  // namespace flattone::session
