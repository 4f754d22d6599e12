#include "services/session-orchestration/webhook/endpoints.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/error.h"
#include "libs/base/try.h"
#include "libs/http/url.h"
#include "services/session-orchestration/session/free_text.h"
#include "services/session-orchestration/store/page.h"
#include "services/session-orchestration/store/rows.h"
#include "services/session-orchestration/webhook/delivery_store.h"
#include "services/session-orchestration/webhook/signature.h"

namespace flattone::session {
namespace {

constexpr size_t kMaxUrl = 500;
constexpr const char* kEventTypes[] = {
    "*", "payment.*", "session.*", "session.created", "session.capture_started", "session.progress", "session.ready",
    "session.capture_ended", "session.protection_changed", "session.warning", "session.ended", "payment.processing",
    "payment.authorised", "payment.captured", "payment.declined", "payment.unknown", "payment.resolved", "payment.cancelled",
    "payment.voided", "payment.refunded", "payment.failed", "payment.tokenised",
};

absl::Status NotFound() {
  return Refusal(absl::StatusCode::kNotFound, {.code = "endpoint_not_found", .field = "endpoint_id", .limit = {}, .fix = {}},
                 "no such webhook endpoint");
}

v1::WebhookEndpoint EndpointIn(const storage::Row& row) {
  v1::WebhookEndpoint out;
  out.set_id(row.Text("id"));
  out.set_url(row.Text("url"));
  const std::string types = row.Text("event_types");
  if (!types.empty()) {
    for (const auto& type : absl::StrSplit(types, ',')) out.add_event_types(std::string(type));
  }
  out.set_mode(static_cast<flattone::common::v1::Mode>(row.Int("mode")));
  out.set_disabled(row.Bool("disabled"));
  out.set_disabled_reason(row.Text("disabled_reason"));
  out.set_description(row.Text("description"));
  out.set_last_sequence(row.Int("last_sequence"));
  out.set_created_at(TimeText(row.Int("created_us")));
  out.set_public_key(row.Text("public_key"));
  return out;
}

absl::StatusOr<storage::Row> Load(storage::Transaction& tx, const World& world, const std::string& id, bool for_update) {
  auto rows = tx.Query("SELECT * FROM webhook_endpoint WHERE id = $1 AND tenant_id = $2 AND mode = $3 AND deleted = 0" +
                           (for_update ? tx.ForUpdate() : std::string()),
                       {id, world.tenant_id, world.mode});
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return NotFound();
  return rows->front();
}

}  // namespace

absl::Status Endpoints::Check(const v1::WebhookEndpoint& endpoint) const {
  if (endpoint.url().empty()) return InvalidField("url", "is missing", "an https URL of at most 500 characters");
  if (endpoint.url().size() > kMaxUrl) return InvalidField("url", "is too long", "an https URL of at most 500 characters");
  auto url = http::ParseUrl(endpoint.url());
  if (!url.ok()) return url.status();
  if (!url->tls) return InvalidField("url", "is not https", "an https URL of at most 500 characters");
  if (LooksLikePan(endpoint.url())) return CheckText("url", endpoint.url(), kMaxUrl);
  if (auto address = http::IpAddress::Parse(url->host); address.ok()) {
    if (absl::Status status = policy_.Check(*address); !status.ok()) {
      return Refusal(absl::StatusCode::kInvalidArgument, {.code = "address_refused", .field = "url", .limit = "a public address", .fix = {}},
                     std::string(status.message()));
    }
  }
  if (endpoint.event_types_size() > 30) return InvalidField("event_types", "has too many entries", "at most 30 event types");
  for (int i = 0; i < endpoint.event_types_size(); ++i) {
    const std::string& type = endpoint.event_types(i);
    if (std::find(std::begin(kEventTypes), std::end(kEventTypes), type) == std::end(kEventTypes)) {
      return InvalidField(absl::StrCat("event_types[", i, "]"), "is not an event type", absl::StrCat("one of ", absl::StrJoin(kEventTypes, ", ")));
    }
  }
  return CheckText("description", endpoint.description(), 200);
}

absl::StatusOr<v1::WebhookEndpoint> Endpoints::Create(storage::Transaction& tx, const World& world, absl::Time now,
                                                      const v1::CreateWebhookEndpointRequest& request) {
  const v1::WebhookEndpoint& wanted = request.endpoint();
  if (absl::Status status = Check(wanted); !status.ok()) return status;
  auto count = tx.Query("SELECT COUNT(*) AS n FROM webhook_endpoint WHERE tenant_id = $1 AND mode = $2 AND deleted = 0",
                        {world.tenant_id, world.mode});
  if (!count.ok()) return count.status();
  if (count->front().Int("n") >= kMaxEndpoints) {
    return Refusal(absl::StatusCode::kFailedPrecondition,
                   {.code = "too_many_endpoints", .field = {}, .limit = absl::StrCat("at most ", kMaxEndpoints), .fix = "delete one"},
                   "there are too many webhook endpoints");
  }
  const std::string id = RandomId(random_, "whe");
  auto secret = NewWebhookSecret(random_);
  if (!secret.ok()) return secret.status();
  auto key = crypto::SigningKey::Create(random_);
  if (!key.ok()) return key.status();
  auto sealed = box_.Seal({world.tenant_id, id, "secret"}, *secret);
  if (!sealed.ok()) return sealed.status();
  auto sealed_key = box_.Seal({world.tenant_id, id, "signing_key"}, key->seed());
  if (!sealed_key.ok()) return sealed_key.status();
  auto inserted = tx.Execute(
      "INSERT INTO webhook_endpoint (id, tenant_id, mode, url, event_types, description, disabled, disabled_reason, deleted, secret,"
      " old_secret, old_secret_until_us, signing_key, public_key, last_sequence, failing_since_us, created_us)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, 0, $11, $12, 0, 0, $13)",
      {id, world.tenant_id, world.mode, wanted.url(), absl::StrJoin(wanted.event_types(), ","), wanted.description(), wanted.disabled(),
       wanted.disabled() ? "by_user" : "", storage::Blob{*sealed}, storage::Blob{}, storage::Blob{*sealed_key},
       PublicKeyText(key->public_key()), absl::ToUnixMicros(now)});
  if (!inserted.ok()) return inserted.status();
  auto row = Load(tx, world, id, false);
  if (!row.ok()) return row.status();
  v1::WebhookEndpoint out = EndpointIn(*row);
  out.set_secret(SecretText(*secret));
  return out;
}

absl::StatusOr<v1::WebhookEndpoint> Endpoints::Get(storage::Transaction& tx, const World& world,
                                                   const v1::GetWebhookEndpointRequest& request) {
  auto row = Load(tx, world, request.endpoint_id(), false);
  if (!row.ok()) return row.status();
  return EndpointIn(*row);
}

absl::StatusOr<v1::ListWebhookEndpointsResponse> Endpoints::List(storage::Transaction& tx, const World& world,
                                                                 const v1::ListWebhookEndpointsRequest& request) {
  FT_TRY(CheckPageSize(request.page_size()));
  const auto size = static_cast<size_t>(PageSize(request.page_size()));
  auto mark = ReadPageToken(request.page_token());
  if (!mark.ok()) return mark.status();
  auto rows = tx.Query(
      "SELECT * FROM webhook_endpoint WHERE tenant_id = $1 AND mode = $2 AND deleted = 0"
      " AND (created_us < $3 OR (created_us = $4 AND id > $5)) ORDER BY created_us DESC, id LIMIT $6",
      {world.tenant_id, world.mode, mark->at, mark->at, mark->id, PageSize(request.page_size()) + 1});
  if (!rows.ok()) return rows.status();
  v1::ListWebhookEndpointsResponse out;
  for (size_t i = 0; i < rows->size() && i < size; ++i) *out.add_endpoints() = EndpointIn((*rows)[i]);
  if (rows->size() > size) out.set_next_page_token(PageToken({(*rows)[size - 1].Int("created_us"), (*rows)[size - 1].Text("id")}));
  return out;
}

absl::StatusOr<v1::WebhookEndpoint> Endpoints::Update(storage::Transaction& tx, const World& world, absl::Time,
                                                      const v1::UpdateWebhookEndpointRequest& request) {
  const v1::WebhookEndpoint& wanted = request.endpoint();
  if (absl::Status status = Check(wanted); !status.ok()) return status;
  auto row = Load(tx, world, request.endpoint_id(), true);
  if (!row.ok()) return row.status();
  // Enabling begins with a clean slate; a reason of ours ("gone", "failing") stays until then.
  const std::string reason = !wanted.disabled() ? "" : row->Bool("disabled") ? row->Text("disabled_reason") : "by_user";
  auto changed = tx.Execute(
      "UPDATE webhook_endpoint SET url = $1, event_types = $2, description = $3, disabled = $4, disabled_reason = $5,"
      " failing_since_us = CASE WHEN $6 = 0 AND disabled = 1 THEN 0 ELSE failing_since_us END WHERE id = $7",
      {wanted.url(), absl::StrJoin(wanted.event_types(), ","), wanted.description(), wanted.disabled(), reason, wanted.disabled(),
       request.endpoint_id()});
  if (!changed.ok()) return changed.status();
  v1::GetWebhookEndpointRequest get;
  get.set_endpoint_id(request.endpoint_id());
  return Get(tx, world, get);
}

absl::StatusOr<v1::DeleteWebhookEndpointResponse> Endpoints::Delete(storage::Transaction& tx, const World& world,
                                                                    const v1::DeleteWebhookEndpointRequest& request) {
  auto row = Load(tx, world, request.endpoint_id(), true);
  if (!row.ok()) return row.status();
  // The row stays for its deliveries' sake; its secrets go.
  FT_TRY(tx.Execute("DELETE FROM webhook_old_secret WHERE endpoint_id = $1", {request.endpoint_id()}).status());
  auto deleted = tx.Execute("UPDATE webhook_endpoint SET deleted = 1, secret = $1, signing_key = $2 WHERE id = $3",
                            {storage::Blob{}, storage::Blob{}, request.endpoint_id()});
  if (!deleted.ok()) return deleted.status();
  return v1::DeleteWebhookEndpointResponse();
}

// Each old secret signs for its own day, however often another takes its place meanwhile.
absl::Status Endpoints::KeepOldSecret(storage::Transaction& tx, const World& world, absl::Time now, const std::string& id,
                                      const std::string& sealed) {
  const int64_t now_us = absl::ToUnixMicros(now);
  FT_TRY(tx.Execute("DELETE FROM webhook_old_secret WHERE endpoint_id = $1 AND until_us <= $2", {id, now_us}).status());
  auto kept = tx.Query("SELECT COUNT(*) AS n FROM webhook_old_secret WHERE endpoint_id = $1", {id});
  if (!kept.ok()) return kept.status();
  if (kept->front().Int("n") >= kMaxOldSecrets) {
    return Refusal(absl::StatusCode::kFailedPrecondition,
                   {.code = "too_many_rotations", .field = {}, .limit = absl::StrCat("at most ", kMaxOldSecrets, " in 24 hours"),
                    .fix = "wait until an old secret's 24 hours are over"},
                   "the secret was rotated too often");
  }
  auto old = box_.Open({world.tenant_id, id, "secret"}, sealed);
  if (!old.ok()) return old.status();
  auto resealed = box_.Seal({world.tenant_id, id, "old_secret"}, *old);
  if (!resealed.ok()) return resealed.status();
  return tx.Execute("INSERT INTO webhook_old_secret (endpoint_id, secret, until_us) VALUES ($1, $2, $3)",
                    {id, storage::Blob{*resealed}, absl::ToUnixMicros(now + absl::Hours(24))}).status();
}

absl::StatusOr<v1::WebhookEndpoint> Endpoints::RotateSecret(storage::Transaction& tx, const World& world, absl::Time now,
                                                            const v1::RotateWebhookSecretRequest& request) {
  auto row = Load(tx, world, request.endpoint_id(), true);
  if (!row.ok()) return row.status();
  const std::string id = request.endpoint_id();
  FT_TRY(KeepOldSecret(tx, world, now, id, row->Bytes("secret")));
  auto secret = NewWebhookSecret(random_);
  if (!secret.ok()) return secret.status();
  auto sealed = box_.Seal({world.tenant_id, id, "secret"}, *secret);
  if (!sealed.ok()) return sealed.status();
  auto changed = tx.Execute("UPDATE webhook_endpoint SET secret = $1 WHERE id = $2", {storage::Blob{*sealed}, id});
  if (!changed.ok()) return changed.status();
  v1::WebhookEndpoint out = EndpointIn(*row);
  out.set_secret(SecretText(*secret));
  return out;
}

absl::StatusOr<v1::ListWebhookDeliveriesResponse> Endpoints::ListDeliveries(storage::Transaction& tx, const World& world,
                                                                            const v1::ListWebhookDeliveriesRequest& request) {
  auto row = Load(tx, world, request.endpoint_id(), false);
  if (!row.ok()) return row.status();
  FT_TRY(CheckPageSize(request.page_size()));
  const auto size = static_cast<size_t>(PageSize(request.page_size()));
  auto mark = ReadPageToken(request.page_token());
  if (!mark.ok()) return mark.status();
  const int state = request.state();
  auto rows = tx.Query(
      "SELECT * FROM webhook_delivery WHERE endpoint_id = $1 AND tenant_id = $2 AND endpoint_sequence < $3"
      " AND ($4 = 0 OR state = $5) ORDER BY endpoint_sequence DESC LIMIT $6",
      {request.endpoint_id(), world.tenant_id, mark->at, state, state, PageSize(request.page_size()) + 1});
  if (!rows.ok()) return rows.status();
  v1::ListWebhookDeliveriesResponse out;
  for (size_t i = 0; i < rows->size() && i < size; ++i) {
    const storage::Row& from = (*rows)[i];
    v1::WebhookDelivery* to = out.add_deliveries();
    to->set_id(from.Text("id"));
    to->set_endpoint_id(from.Text("endpoint_id"));
    to->set_endpoint_sequence(from.Int("endpoint_sequence"));
    to->set_event_id(from.Text("event_id"));
    to->set_event_type(from.Text("event_type"));
    to->set_state(static_cast<v1::DeliveryState>(from.Int("state")));
    to->set_attempts(static_cast<uint32_t>(from.Int("attempts")));
    if (to->state() == v1::DELIVERY_STATE_PENDING) to->set_next_attempt_at(TimeText(from.Int("next_attempt_us")));
    to->set_last_status(static_cast<uint32_t>(from.Int("last_status")));
    to->set_last_error(from.Text("last_error"));
    to->set_created_at(TimeText(from.Int("created_us")));
    to->set_delivered_at(TimeText(from.Int("delivered_us")));
  }
  if (rows->size() > size) out.set_next_page_token(PageToken({(*rows)[size - 1].Int("endpoint_sequence"), ""}));
  return out;
}

absl::StatusOr<v1::ReplayWebhookDeliveriesResponse> Endpoints::Replay(storage::Transaction& tx, const World& world, absl::Time now,
                                                                      const v1::ReplayWebhookDeliveriesRequest& request) {
  auto row = Load(tx, world, request.endpoint_id(), true);
  if (!row.ok()) return row.status();
  const int64_t from = request.from_sequence();
  const int64_t to = request.to_sequence() == 0 ? from : request.to_sequence();
  if (from < 1) return InvalidField("from_sequence", absl::StrCat("is ", from), "1 or more");
  if (to < from || to - from >= 10000) {
    return InvalidField("to_sequence", absl::StrCat("is ", to), "from_sequence or more, at most 10000 deliveries at once");
  }
  if (row->Bool("disabled")) {
    return Refusal(absl::StatusCode::kFailedPrecondition, {.code = "endpoint_disabled", .field = {}, .limit = {}, .fix = "enable it first"},
                   "the webhook endpoint is disabled");
  }
  auto scheduled = ReplayDeliveries(tx, world.tenant_id, request.endpoint_id(), from, to, now);
  if (!scheduled.ok()) return scheduled.status();
  v1::ReplayWebhookDeliveriesResponse out;
  out.set_scheduled(*scheduled);
  return out;
}

}  // namespace flattone::session
