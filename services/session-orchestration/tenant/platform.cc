#include "services/session-orchestration/tenant/platform.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/session-orchestration/tenant/records.h"

namespace flattone::session {
namespace {

using storage::Transaction;

// The platform itself: a key of the role PLATFORM belongs to one, unless its tenant has changed since.
absl::StatusOr<v1::Tenant> LoadPlatform(Transaction& tx, const World& platform) {
  auto self = LoadTenant(tx, platform.tenant_id, Lock::kNo);
  if (!self.ok() || self->platform()) return self;
  return Refusal(absl::StatusCode::kPermissionDenied, {.code = "not_a_platform", .field = {}, .limit = {}, .fix = "use a platform's key"},
                 "the API key does not belong to a platform");
}

// One of the platform's own, in the world that its key sees.
absl::StatusOr<v1::Tenant> LoadOwn(Transaction& tx, const World& platform, const std::string& id, Lock lock) {
  auto tenant = LoadTenant(tx, id, lock);
  if (!tenant.ok()) return tenant;
  const bool seen = tenant->mode() == common::v1::MODE_UNSPECIFIED || static_cast<int>(tenant->mode()) == platform.mode;
  if (tenant->platform_id() != platform.tenant_id || !seen) return TenantNotFound();
  return tenant;
}

// A merchant may not have more than its platform: the amount is bounded by the platform's, the currencies are some of its.
absl::Status FitInto(const v1::Tenant& platform, v1::Tenant& tenant) {
  const int64_t limit = platform.max_amount_minor() > 0 ? platform.max_amount_minor() : kDefaultMaxAmountMinor;
  if (tenant.max_amount_minor() > limit) {
    return InvalidField("tenant.max_amount_minor", absl::StrCat("is ", tenant.max_amount_minor()), absl::StrCat("0 or 1 to ", limit, ", the platform's own"));
  }
  if (tenant.max_amount_minor() == 0) tenant.set_max_amount_minor(limit);
  if (platform.currency_codes().empty()) return absl::OkStatus();
  if (tenant.currency_codes().empty()) *tenant.mutable_currency_codes() = platform.currency_codes();
  for (const std::string& code : tenant.currency_codes()) {
    const auto& own = platform.currency_codes();
    if (std::find(own.begin(), own.end(), code) == own.end()) return InvalidField("tenant.currency_codes", "has one that the platform has not", "the platform's own currencies");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::Tenant> PlatformStore::Create(Transaction& tx, const World& platform, const std::string& actor, const v1::CreatePlatformTenantRequest& request) {
  if (absl::Status good = CheckTenant(request.tenant()); !good.ok()) return good;
  auto self = LoadPlatform(tx, platform);
  if (!self.ok()) return self.status();
  v1::Tenant tenant;
  tenant.set_name(request.tenant().name());
  tenant.set_max_amount_minor(request.tenant().max_amount_minor());
  *tenant.mutable_currency_codes() = request.tenant().currency_codes();
  if (absl::Status fits = FitInto(*self, tenant); !fits.ok()) return fits;
  const int64_t now = absl::ToUnixMicros(clock_.Now());
  tenant.set_id(RandomId(random_, "ten"));
  tenant.set_platform_id(platform.tenant_id);
  tenant.set_mode(static_cast<common::v1::Mode>(platform.mode));
  tenant.set_created_at(TimeText(now));
  if (absl::Status stored = InsertTenant(tx, tenant, now); !stored.ok()) return stored;
  // Edges that the operator opened for the platform carry its tenants: relays have to hear of this one.
  if (auto told = tx.Execute("UPDATE counter SET value = value + 1 WHERE name = 'edges_revision'"); !told.ok()) return told.status();
  if (absl::Status kept = RecordAction(tx, clock_.Now(), actor, "tenant.create", tenant.id(), tenant.id()); !kept.ok()) return kept;
  return tenant;
}

absl::StatusOr<v1::Tenant> PlatformStore::Get(Transaction& tx, const World& platform, const v1::GetPlatformTenantRequest& request) {
  auto self = LoadPlatform(tx, platform);
  return self.ok() ? LoadOwn(tx, platform, request.tenant_id(), Lock::kNo) : self;
}

absl::StatusOr<v1::ListPlatformTenantsResponse> PlatformStore::List(Transaction& tx, const World& platform, const v1::ListPlatformTenantsRequest& request) {
  auto page = ReadPageToken(request.page_token());
  if (!page.ok()) return page.status();
  if (auto self = LoadPlatform(tx, platform); !self.ok()) return self.status();
  const int size = SizeOfPage(request.page_size());
  v1::ListPlatformTenantsResponse response;
  const absl::Status filled = FillPage(
      tx.Query("SELECT id, created_us, body FROM tenant WHERE platform_id = $1 AND mode IN (0, $2) AND (created_us < $3 OR (created_us = $4 AND id < $5))"
               " ORDER BY created_us DESC, id DESC LIMIT $6",
               {platform.tenant_id, platform.mode, page->at, page->at, page->id, size + 1}),
      size, response, [&](const storage::Row& row) { response.add_tenants()->ParseFromString(row.Bytes("body")); });
  if (!filled.ok()) return filled;
  return response;
}

absl::StatusOr<v1::Tenant> PlatformStore::SetSuspended(Transaction& tx, const World& platform, const std::string& actor, const std::string& tenant_id, bool suspended) {
  if (auto self = LoadPlatform(tx, platform); !self.ok()) return self.status();
  auto tenant = LoadOwn(tx, platform, tenant_id, Lock::kYes);
  if (!tenant.ok()) return tenant;
  if (tenant->mode() == common::v1::MODE_UNSPECIFIED && platform.mode != common::v1::MODE_LIVE) {
    return Refusal(absl::StatusCode::kPermissionDenied, {.code = "live_key_needed", .field = {}, .limit = {}, .fix = "use a live key of the platform"},
                   "the tenant has both modes: a test key cannot stop its live payments");
  }
  if (tenant->suspended_by_platform() == suspended) return tenant;
  tenant->set_suspended_by_platform(suspended);
  if (absl::Status saved = SaveTenant(tx, *tenant); !saved.ok()) return saved;
  if (absl::Status kept = RecordAction(tx, clock_.Now(), actor, suspended ? "tenant.suspend" : "tenant.resume", tenant->id(), tenant->id()); !kept.ok()) return kept;
  return tenant;
}

absl::StatusOr<v1::ApiKey> PlatformStore::CreateKey(Transaction& tx, const World& platform, const std::string& actor, const v1::CreateTenantApiKeyRequest& request) {
  if (auto self = LoadPlatform(tx, platform); !self.ok()) return self.status();
  // The tenant's row lock orders those who count its keys.
  auto tenant = LoadOwn(tx, platform, request.tenant_id(), Lock::kYes);
  if (!tenant.ok()) return tenant.status();
  for (const int role : request.key().roles()) {
    if (role == v1::API_KEY_ROLE_PLATFORM) return InvalidField("key.roles", "has API_KEY_ROLE_PLATFORM", "SESSIONS, FINANCE, READ");
  }
  auto held = tx.Query("SELECT count(*) AS n FROM api_key WHERE tenant_id = $1 AND revoked = 0", {tenant->id()});
  if (!held.ok()) return held.status();
  if (held->front().Int("n") >= kMaxKeysOfTenant) {
    return Refusal(absl::StatusCode::kResourceExhausted,
                   {.code = "too_many_keys", .field = "tenant_id", .limit = absl::StrCat(kMaxKeysOfTenant, " keys that are not revoked"), .fix = "revoke keys that are not used any more"},
                   "the tenant has too many API keys");
  }
  v1::ApiKey wanted;
  wanted.set_tenant_id(tenant->id());
  wanted.set_mode(static_cast<common::v1::Mode>(platform.mode));
  *wanted.mutable_roles() = request.key().roles();
  wanted.set_description(request.key().description());
  wanted.set_expires_at(request.key().expires_at());
  auto key = InsertKey(tx, random_, clock_.Now(), std::move(wanted));
  if (!key.ok()) return key.status();
  if (absl::Status kept = RecordAction(tx, clock_.Now(), actor, "key.create", tenant->id(), key->id()); !kept.ok()) return kept;
  return key;
}

absl::StatusOr<v1::ListTenantApiKeysResponse> PlatformStore::ListKeys(Transaction& tx, const World& platform, const v1::ListTenantApiKeysRequest& request) {
  auto page = ReadPageToken(request.page_token());
  if (!page.ok()) return page.status();
  if (auto self = LoadPlatform(tx, platform); !self.ok()) return self.status();
  if (auto own = LoadOwn(tx, platform, request.tenant_id(), Lock::kNo); !own.ok()) return own.status();
  const int size = SizeOfPage(request.page_size());
  v1::ListTenantApiKeysResponse response;
  const absl::Status filled = FillPage(
      tx.Query("SELECT id, created_us, revoked, body FROM api_key WHERE tenant_id = $1 AND mode = $2 AND (created_us < $3 OR (created_us = $4 AND id < $5))"
               " ORDER BY created_us DESC, id DESC LIMIT $6",
               {request.tenant_id(), platform.mode, page->at, page->at, page->id, size + 1}),
      size, response, [&](const storage::Row& row) {
        auto* key = response.add_keys();
        key->ParseFromString(row.Bytes("body"));
        key->set_revoked(row.Bool("revoked"));
      });
  if (!filled.ok()) return filled;
  return response;
}

absl::StatusOr<v1::ApiKey> PlatformStore::RevokeKey(Transaction& tx, const World& platform, const std::string& actor, const v1::RevokeTenantApiKeyRequest& request) {
  if (auto self = LoadPlatform(tx, platform); !self.ok()) return self.status();
  if (auto own = LoadOwn(tx, platform, request.tenant_id(), Lock::kNo); !own.ok()) return own.status();
  auto rows = tx.Query("UPDATE api_key SET revoked = 1 WHERE id = $1 AND tenant_id = $2 AND mode = $3 RETURNING body", {request.key_id(), request.tenant_id(), platform.mode});
  if (!rows.ok()) return rows.status();
  v1::ApiKey key;
  if (rows->empty() || !key.ParseFromString(rows->front().Bytes("body"))) return KeyNotFound();
  key.set_revoked(true);
  if (absl::Status kept = RecordAction(tx, clock_.Now(), actor, "key.revoke", key.tenant_id(), key.id()); !kept.ok()) return kept;
  return key;
}

}  // namespace flattone::session
