#include "services/session-orchestration/schema/schema.h"

namespace flattone::session {
namespace {

// Tenants, platforms, keys, edges, and what an operator did.
constexpr char kTenants[] = R"(
CREATE TABLE tenant (
  id TEXT PRIMARY KEY, platform_id TEXT NOT NULL, suspended BIGINT NOT NULL, created_us BIGINT NOT NULL,
  body {blob} NOT NULL);
CREATE TABLE api_key (
  id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenant (id), mode BIGINT NOT NULL,
  secret_hash TEXT NOT NULL UNIQUE, expires_us BIGINT NOT NULL, revoked BIGINT NOT NULL, created_us BIGINT NOT NULL,
  body {blob} NOT NULL);
CREATE INDEX api_key_tenant ON api_key (tenant_id, created_us, id);
CREATE TABLE agent_token (
  secret_hash TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, mode BIGINT NOT NULL, session_id TEXT NOT NULL,
  actions BIGINT NOT NULL, agent TEXT NOT NULL, key_id TEXT NOT NULL, expires_us BIGINT NOT NULL);
CREATE INDEX agent_token_expiry ON agent_token (expires_us);
CREATE TABLE edge (id TEXT PRIMARY KEY, body {blob} NOT NULL);
CREATE TABLE counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO counter (name, value) VALUES ('edges_revision', 1), ('admin_action', 0), ('outcomes_position', 0);
CREATE TABLE admin_action (
  sequence BIGINT PRIMARY KEY, time_us BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  tenant_id TEXT NOT NULL, object TEXT NOT NULL);
)";

// Relays by lease, their calls by (tenant, reference).
constexpr char kFleet[] = R"(
CREATE TABLE relay (
  id TEXT PRIMARY KEY, address TEXT NOT NULL, lease_until_us BIGINT NOT NULL, body {blob} NOT NULL);
CREATE TABLE live_call (
  tenant_id TEXT NOT NULL, call_reference TEXT NOT NULL, call_id TEXT NOT NULL, relay_id TEXT NOT NULL,
  started_us BIGINT NOT NULL, PRIMARY KEY (tenant_id, call_reference));
CREATE INDEX live_call_relay ON live_call (relay_id);
CREATE TABLE call_report (report_id TEXT PRIMARY KEY, at_us BIGINT NOT NULL);
CREATE INDEX call_report_age ON call_report (at_us);
)";

// Sessions, captures, payments and the operations that move their money.
constexpr char kSessions[] = R"(
CREATE TABLE session (
  id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, mode BIGINT NOT NULL, state BIGINT NOT NULL,
  call_reference TEXT NOT NULL, capture_id TEXT NOT NULL, payment_id TEXT NOT NULL, end_when_settled TEXT NOT NULL,
  last_event BIGINT NOT NULL, created_us BIGINT NOT NULL, expires_us BIGINT NOT NULL, body {blob} NOT NULL);
CREATE INDEX session_list ON session (tenant_id, mode, created_us, id);
CREATE INDEX session_call ON session (tenant_id, call_reference);
CREATE INDEX session_expiry ON session (expires_us) WHERE state <> 5;
CREATE TABLE capture (
  id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, session_id TEXT NOT NULL, phase TEXT NOT NULL,
  relay_id TEXT NOT NULL, relay_address TEXT NOT NULL, call_id TEXT NOT NULL,
  vault_address TEXT NOT NULL, vault_replica TEXT NOT NULL, revision BIGINT NOT NULL,
  owner TEXT NOT NULL, owner_until_us BIGINT NOT NULL, vault_done BIGINT NOT NULL, relay_done BIGINT NOT NULL,
  tries BIGINT NOT NULL, next_try_us BIGINT NOT NULL, created_us BIGINT NOT NULL);
CREATE INDEX capture_session ON capture (tenant_id, session_id);
CREATE INDEX capture_watch ON capture (owner_until_us) WHERE phase IN ('STARTING', 'RUNNING');
CREATE INDEX capture_close ON capture (next_try_us) WHERE phase = 'CLOSING';
CREATE TABLE payment (
  id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, mode BIGINT NOT NULL, session_id TEXT NOT NULL, capture_id TEXT NOT NULL,
  state BIGINT NOT NULL, order_reference TEXT NOT NULL, amount_minor BIGINT NOT NULL, authorise_version BIGINT NOT NULL,
  created_us BIGINT NOT NULL, body {blob} NOT NULL);
CREATE INDEX payment_list ON payment (tenant_id, mode, created_us, id);
CREATE INDEX payment_session ON payment (tenant_id, session_id, created_us);
CREATE UNIQUE INDEX payment_one_open ON payment (session_id) WHERE state IN (1, 6);
CREATE TABLE operation (
  id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, payment_id TEXT NOT NULL, kind BIGINT NOT NULL, amount_minor BIGINT NOT NULL,
  state TEXT NOT NULL, version BIGINT NOT NULL, actor TEXT NOT NULL, token_id TEXT NOT NULL, vault_address TEXT NOT NULL,
  code_held BIGINT NOT NULL, tries BIGINT NOT NULL, next_try_us BIGINT NOT NULL, created_us BIGINT NOT NULL);
CREATE INDEX operation_payment ON operation (tenant_id, payment_id, created_us);
CREATE INDEX operation_due ON operation (next_try_us) WHERE state IN ('ASKED', 'SENT');
)";

// Events numbered per session and per (tenant, mode); answers kept for repeats.
constexpr char kEvents[] = R"(
CREATE TABLE world (
  tenant_id TEXT NOT NULL, mode BIGINT NOT NULL, last_event BIGINT NOT NULL, PRIMARY KEY (tenant_id, mode));
CREATE TABLE event (
  tenant_id TEXT NOT NULL, mode BIGINT NOT NULL, tenant_sequence BIGINT NOT NULL, id TEXT NOT NULL UNIQUE,
  session_id TEXT NOT NULL, session_sequence BIGINT NOT NULL, type TEXT NOT NULL, time_us BIGINT NOT NULL,
  body {blob} NOT NULL, PRIMARY KEY (tenant_id, mode, tenant_sequence));
CREATE UNIQUE INDEX event_session ON event (tenant_id, session_id, session_sequence) WHERE session_id <> '';
CREATE TABLE idempotency (
  tenant_id TEXT NOT NULL, mode BIGINT NOT NULL, method TEXT NOT NULL, resource TEXT NOT NULL, key TEXT NOT NULL,
  request_hash TEXT NOT NULL, state TEXT NOT NULL, lease_until_us BIGINT NOT NULL, expires_us BIGINT NOT NULL,
  answer {blob} NOT NULL, PRIMARY KEY (tenant_id, mode, method, resource, key));
CREATE INDEX idempotency_expiry ON idempotency (expires_us);
)";

// Finance's webhooks: webhook/delivery_store.h reads and writes these.
constexpr char kWebhooks[] = R"(
CREATE TABLE webhook_endpoint (
  id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, mode BIGINT NOT NULL, url TEXT NOT NULL, event_types TEXT NOT NULL,
  description TEXT NOT NULL, disabled BIGINT NOT NULL, disabled_reason TEXT NOT NULL, deleted BIGINT NOT NULL,
  secret {blob} NOT NULL, old_secret {blob} NOT NULL, old_secret_until_us BIGINT NOT NULL, signing_key {blob} NOT NULL,
  public_key TEXT NOT NULL, last_sequence BIGINT NOT NULL, failing_since_us BIGINT NOT NULL, created_us BIGINT NOT NULL);
CREATE INDEX webhook_endpoint_list ON webhook_endpoint (tenant_id, mode, created_us, id);
CREATE TABLE webhook_delivery (
  id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, mode BIGINT NOT NULL,
  endpoint_id TEXT NOT NULL REFERENCES webhook_endpoint (id), endpoint_sequence BIGINT NOT NULL,
  event_id TEXT NOT NULL, event_type TEXT NOT NULL, state BIGINT NOT NULL, attempts BIGINT NOT NULL,
  next_attempt_us BIGINT NOT NULL, owner TEXT NOT NULL, owner_until_us BIGINT NOT NULL,
  last_status BIGINT NOT NULL, last_error TEXT NOT NULL, created_us BIGINT NOT NULL, delivered_us BIGINT NOT NULL);
CREATE UNIQUE INDEX webhook_delivery_sequence ON webhook_delivery (endpoint_id, endpoint_sequence);
CREATE INDEX webhook_delivery_due ON webhook_delivery (next_attempt_us) WHERE state = 1;
)";

// Under which trace a worker goes on with what somebody asked for.
constexpr char kTraces[] = R"(
ALTER TABLE operation ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
ALTER TABLE capture ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
)";

// Platforms make tenants: of one mode, or (0) of both where the operator made them.
constexpr char kPlatforms[] = R"(
ALTER TABLE tenant ADD COLUMN mode BIGINT NOT NULL DEFAULT 0;
CREATE INDEX tenant_platform ON tenant (platform_id, created_us, id);
)";

// Named replicas of this service; replica/replica.h.
constexpr char kReplicas[] = R"(
CREATE TABLE replica (id TEXT PRIMARY KEY, epoch BIGINT NOT NULL, started_us BIGINT NOT NULL);
)";

// Each secret that was rotated out, until its own 24 hours are over; the column for one is used no more.
constexpr char kOldSecrets[] = R"(
CREATE TABLE webhook_old_secret (
  endpoint_id TEXT NOT NULL REFERENCES webhook_endpoint (id), secret {blob} NOT NULL, until_us BIGINT NOT NULL);
CREATE INDEX webhook_old_secret_of ON webhook_old_secret (endpoint_id);
INSERT INTO webhook_old_secret (endpoint_id, secret, until_us)
  SELECT id, old_secret, old_secret_until_us FROM webhook_endpoint WHERE old_secret_until_us > 0 AND deleted = 0;
)";

}  // namespace

const std::vector<storage::Migration>& Migrations() {
  static const auto* const migrations = new std::vector<storage::Migration>{
      {"tenants, keys, edges", kTenants}, {"relays and calls", kFleet},       {"sessions and payments", kSessions},
      {"events and answers", kEvents},    {"webhook endpoints and deliveries", kWebhooks},
      {"traces of operations and captures", kTraces},
      {"platforms", kPlatforms},          {"replicas", kReplicas},
      {"old webhook secrets", kOldSecrets},
  };
  return *migrations;
}

}  // namespace flattone::session
