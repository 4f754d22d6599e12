#include "services/session-orchestration/tenant/admin.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/error.h"
#include "libs/base/try.h"
#include "services/session-orchestration/store/page.h"
#include "services/session-orchestration/store/rows.h"
#include "services/session-orchestration/tenant/records.h"

namespace flattone::session {
namespace {

using storage::Blob;
using storage::Transaction;

absl::Status CheckEdge(const v1::EdgeConfiguration& edge) {
  bool good = !edge.edge_id().empty() && edge.edge_id().size() <= 64;
  for (char c : edge.edge_id()) good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-');
  if (!good) return InvalidField("edge.edge_id", "cannot be used", "1 to 64 characters of [a-z0-9._-]");
  if (edge.tenant_ids_size() > 1000) return InvalidField("edge.tenant_ids", "has too many entries", "at most 1000 tenants");
  return absl::OkStatus();
}

// What the mask names; without one everything that an operator may change.
absl::Status Merge(const v1::UpdateTenantRequest& request, v1::Tenant& tenant) {
  constexpr std::string_view kFields[] = {"name", "max_amount_minor", "currency_codes", "suspended"};
  std::set<std::string_view> wanted(request.update_mask().paths().begin(), request.update_mask().paths().end());
  for (const std::string_view path : wanted) {
    if (std::find(std::begin(kFields), std::end(kFields), path) == std::end(kFields)) {
      return InvalidField("update_mask", "names a field that is not to be changed", "name, max_amount_minor, currency_codes, suspended");
    }
  }
  if (wanted.empty()) wanted.insert(std::begin(kFields), std::end(kFields));
  const v1::Tenant& given = request.tenant();
  if (wanted.count("name") != 0) tenant.set_name(given.name());
  if (wanted.count("max_amount_minor") != 0) tenant.set_max_amount_minor(given.max_amount_minor());
  if (wanted.count("currency_codes") != 0) *tenant.mutable_currency_codes() = given.currency_codes();
  if (wanted.count("suspended") != 0) tenant.set_suspended(given.suspended());
  return absl::OkStatus();
}

}  // namespace

absl::Status AdminStore::Record(Transaction& tx, const std::string& actor, const std::string& action, const std::string& tenant_id,
                                const std::string& object) {
  return RecordAction(tx, clock_.Now(), actor, action, tenant_id, object);
}

absl::StatusOr<v1::Tenant> AdminStore::CreateTenant(const std::string& actor, const v1::CreateTenantRequest& request) {
  FT_TRY(CheckTenant(request.tenant()));
  v1::Tenant tenant = request.tenant();
  const int64_t now = absl::ToUnixMicros(clock_.Now());
  tenant.set_id(RandomId(random_, "ten"));
  tenant.clear_mode();  // both: the operator may give it keys of either
  tenant.clear_suspended_by_platform();
  tenant.set_created_at(TimeText(now));
  FT_TRY(db_.Write([&](Transaction& tx) -> absl::Status {
    if (!tenant.platform_id().empty()) {
      auto platform = LoadTenant(tx, tenant.platform_id(), Lock::kNo);
      if (!platform.ok()) return platform.status();
      if (!platform->platform()) return InvalidField("tenant.platform_id", "names a merchant", "the id of a platform");
    }
    FT_TRY(InsertTenant(tx, tenant, now));
    return Record(tx, actor, "tenant.create", tenant.id(), tenant.id());
  }));
  return tenant;
}

absl::StatusOr<v1::Tenant> AdminStore::GetTenant(const v1::GetTenantRequest& request) {
  v1::Tenant tenant;
  FT_TRY(db_.Read([&](Transaction& tx) -> absl::Status {
    auto loaded = LoadTenant(tx, request.tenant_id(), Lock::kNo);
    if (loaded.ok()) tenant = *std::move(loaded);
    return loaded.status();
  }));
  return tenant;
}

absl::StatusOr<v1::ListTenantsResponse> AdminStore::ListTenants(const v1::ListTenantsRequest& request) {
  auto page = ReadPageToken(request.page_token());
  if (!page.ok()) return page.status();
  const int size = SizeOfPage(request.page_size());
  v1::ListTenantsResponse response;
  FT_TRY(db_.Read([&](Transaction& tx) {
    return FillPage(tx.Query("SELECT id, created_us, body FROM tenant WHERE created_us < $1 OR (created_us = $2 AND id < $3)"
                           " ORDER BY created_us DESC, id DESC LIMIT $4",
                           {page->at, page->at, page->id, size + 1}),
                  size, response, [&](const storage::Row& row) { response.add_tenants()->ParseFromString(row.Bytes("body")); });
  }));
  return response;
}

absl::StatusOr<v1::Tenant> AdminStore::UpdateTenant(const std::string& actor, const v1::UpdateTenantRequest& request) {
  v1::Tenant tenant;
  FT_TRY(db_.Write([&](Transaction& tx) -> absl::Status {
    auto loaded = LoadTenant(tx, request.tenant().id(), Lock::kYes);
    if (!loaded.ok()) return loaded.status();
    tenant = *std::move(loaded);
    FT_TRY(Merge(request, tenant));
    FT_TRY(CheckTenant(tenant));
    FT_TRY(SaveTenant(tx, tenant));
    return Record(tx, actor, "tenant.update", tenant.id(), tenant.id());
  }));
  return tenant;
}

absl::StatusOr<v1::ApiKey> AdminStore::CreateApiKey(const std::string& actor, const v1::CreateApiKeyRequest& request) {
  v1::ApiKey key = request.key();
  if (key.mode() != common::v1::MODE_TEST && key.mode() != common::v1::MODE_LIVE) {
    return InvalidField("key.mode", absl::StrCat("is ", static_cast<int>(key.mode())), "MODE_TEST or MODE_LIVE");
  }
  FT_TRY(db_.Write([&](Transaction& tx) -> absl::Status {
    auto tenant = LoadTenant(tx, request.key().tenant_id(), Lock::kNo);
    if (!tenant.ok()) return tenant.status();
    if (tenant->mode() != common::v1::MODE_UNSPECIFIED && tenant->mode() != request.key().mode()) {
      return InvalidField("key.mode", "is not the mode of the tenant", "the mode of the platform's key that made it");
    }
    for (const int role : request.key().roles()) {
      if (role == v1::API_KEY_ROLE_PLATFORM && !tenant->platform()) return InvalidField("key.roles", "has API_KEY_ROLE_PLATFORM", "SESSIONS, FINANCE, READ for a merchant");
    }
    auto made = InsertKey(tx, random_, clock_.Now(), request.key());
    if (!made.ok()) return made.status();
    key = *std::move(made);
    return Record(tx, actor, "key.create", key.tenant_id(), key.id());
  }));
  return key;
}

absl::StatusOr<v1::ListApiKeysResponse> AdminStore::ListApiKeys(const v1::ListApiKeysRequest& request) {
  auto page = ReadPageToken(request.page_token());
  if (!page.ok()) return page.status();
  const int size = SizeOfPage(request.page_size());
  v1::ListApiKeysResponse response;
  FT_TRY(db_.Read([&](Transaction& tx) {
    return FillPage(tx.Query("SELECT id, created_us, revoked, body FROM api_key WHERE tenant_id = $1 AND (created_us < $2 OR (created_us = $3 AND id < $4))"
                           " ORDER BY created_us DESC, id DESC LIMIT $5",
                           {request.tenant_id(), page->at, page->at, page->id, size + 1}),
                  size, response, [&](const storage::Row& row) {
                    auto* key = response.add_keys();
                    key->ParseFromString(row.Bytes("body"));
                    key->set_revoked(row.Bool("revoked"));
                  });
  }));
  return response;
}

absl::StatusOr<v1::ApiKey> AdminStore::RevokeApiKey(const std::string& actor, const v1::RevokeApiKeyRequest& request) {
  v1::ApiKey key;
  FT_TRY(db_.Write([&](Transaction& tx) -> absl::Status {
    auto rows = tx.Query("UPDATE api_key SET revoked = 1 WHERE id = $1 RETURNING tenant_id, body", {request.key_id()});
    if (!rows.ok()) return rows.status();
    if (rows->empty()) return KeyNotFound();
    key.ParseFromString(rows->front().Bytes("body"));
    key.set_revoked(true);
    return Record(tx, actor, "key.revoke", key.tenant_id(), key.id());
  }));
  return key;
}

absl::StatusOr<v1::EdgeConfiguration> AdminStore::PutEdge(const std::string& actor, const v1::PutEdgeRequest& request) {
  const v1::EdgeConfiguration& edge = request.edge();
  FT_TRY(CheckEdge(edge));
  FT_TRY(db_.Write([&](Transaction& tx) -> absl::Status {
    for (const std::string& tenant_id : edge.tenant_ids()) {
      auto tenant = LoadTenant(tx, tenant_id, Lock::kNo);
      if (!tenant.ok()) return InvalidField("edge.tenant_ids", absl::StrCat("names ", tenant_id.size() <= 64 ? tenant_id : "(long)", ", which is no tenant"), "ids of tenants");
    }
    FT_TRY(tx.Execute("INSERT INTO edge (id, body) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                         {edge.edge_id(), Blob{edge.SerializeAsString()}}).status());
    FT_TRY(tx.Execute("UPDATE counter SET value = value + 1 WHERE name = 'edges_revision'").status());
    return Record(tx, actor, "edge.put", "", edge.edge_id());
  }));
  return edge;
}

absl::StatusOr<v1::ListEdgesResponse> AdminStore::ListEdges(const v1::ListEdgesRequest& request) {
  auto page = ReadPageToken(request.page_token());
  if (!page.ok()) return page.status();
  const int size = SizeOfPage(request.page_size());
  v1::ListEdgesResponse response;
  FT_TRY(db_.Read([&](Transaction& tx) {
    return FillPage(tx.Query("SELECT id, 0 AS created_us, body FROM edge WHERE id > $1 ORDER BY id LIMIT $2", {page->id, size + 1}), size, response,
                  [&](const storage::Row& row) { response.add_edges()->ParseFromString(row.Bytes("body")); });
  }));
  return response;
}

absl::StatusOr<v1::DeleteEdgeResponse> AdminStore::DeleteEdge(const std::string& actor, const v1::DeleteEdgeRequest& request) {
  FT_TRY(db_.Write([&](Transaction& tx) -> absl::Status {
    auto gone = tx.Execute("DELETE FROM edge WHERE id = $1", {request.edge_id()});
    if (!gone.ok()) return gone.status();
    if (*gone == 0) return Refusal(absl::StatusCode::kNotFound, {.code = "edge_not_found", .field = {}, .limit = {}, .fix = {}}, "no such edge");
    FT_TRY(tx.Execute("UPDATE counter SET value = value + 1 WHERE name = 'edges_revision'").status());
    return Record(tx, actor, "edge.delete", "", request.edge_id());
  }));
  return v1::DeleteEdgeResponse();
}

absl::StatusOr<v1::ListRelaysResponse> AdminStore::ListRelays(const v1::ListRelaysRequest& request) {
  auto page = ReadPageToken(request.page_token());
  if (!page.ok()) return page.status();
  const int size = SizeOfPage(request.page_size());
  v1::ListRelaysResponse response;
  FT_TRY(db_.Read([&](Transaction& tx) {
    return FillPage(tx.Query("SELECT id, 0 AS created_us, lease_until_us, body FROM relay WHERE id > $1 ORDER BY id LIMIT $2", {page->id, size + 1}),
                    size, response, [&](const storage::Row& row) {
                      auto* relay = response.add_relays();
                      relay->ParseFromString(row.Bytes("body"));
                      relay->set_lease_until(TimeText(row.Int("lease_until_us")));
                    });
  }));
  return response;
}

absl::StatusOr<v1::ListAdminActionsResponse> AdminStore::ListActions(const v1::ListAdminActionsRequest& request) {
  v1::ListAdminActionsResponse response;
  FT_TRY(db_.Read([&](Transaction& tx) -> absl::Status {
    response.Clear();
    auto rows = tx.Query("SELECT * FROM admin_action WHERE sequence > $1 ORDER BY sequence LIMIT $2", {request.after_sequence(), SizeOfPage(request.page_size())});
    if (!rows.ok()) return rows.status();
    for (const storage::Row& row : *rows) {
      auto* action = response.add_actions();
      action->set_sequence(row.Int("sequence"));
      action->set_time(TimeText(row.Int("time_us")));
      action->set_actor(row.Text("actor"));
      action->set_action(row.Text("action"));
      action->set_tenant_id(row.Text("tenant_id"));
      action->set_object(row.Text("object"));
    }
    return absl::OkStatus();
  }));
  return response;
}

}  // namespace flattone::session
