#include "services/gateway-adapter/attempt/schema.h"

#include <vector>

namespace flattone::gateway {

std::span<const storage::Migration> Migrations() {
  static const std::vector<storage::Migration> migrations = {
      {"attempts, outcomes, accounts",
       R"(CREATE TABLE process (owner TEXT PRIMARY KEY, lease_until_us BIGINT NOT NULL);
          CREATE TABLE payment (tenant_id TEXT NOT NULL, payment_id TEXT NOT NULL, PRIMARY KEY (tenant_id, payment_id));
          CREATE TABLE attempt (
            attempt_id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, payment_id TEXT NOT NULL, operation_id TEXT NOT NULL,
            operation BIGINT NOT NULL, amount_minor BIGINT NOT NULL, currency TEXT NOT NULL, mode BIGINT NOT NULL,
            capture_now BIGINT NOT NULL, order_reference TEXT NOT NULL,
            state BIGINT NOT NULL, answer BIGINT NOT NULL, instruction BIGINT NOT NULL, captured BIGINT NOT NULL,
            void_if_approved BIGINT NOT NULL, void_operation_id TEXT NOT NULL, version BIGINT NOT NULL,
            psp TEXT NOT NULL, account_id TEXT NOT NULL, idempotency_key TEXT NOT NULL, psp_reference TEXT NOT NULL,
            target_reference TEXT NOT NULL, refunded_before_minor BIGINT NOT NULL, authorisation_code TEXT NOT NULL, raw_code TEXT NOT NULL,
            owner TEXT NOT NULL, epoch BIGINT NOT NULL, token_id TEXT NOT NULL, vault_address TEXT NOT NULL,
            brand BIGINT NOT NULL, last_four TEXT NOT NULL, created_us BIGINT NOT NULL, updated_us BIGINT NOT NULL,
            unknown_us BIGINT NOT NULL, ask_at_us BIGINT NOT NULL, asked BIGINT NOT NULL, wipe BIGINT NOT NULL DEFAULT 0);
          CREATE UNIQUE INDEX attempt_once ON attempt (tenant_id, operation_id);
          CREATE UNIQUE INDEX attempt_key ON attempt (idempotency_key);
          CREATE UNIQUE INDEX attempt_live ON attempt (tenant_id, payment_id, operation) WHERE state IN (1, 4);
          CREATE INDEX attempt_payment ON attempt (tenant_id, payment_id, created_us);
          CREATE INDEX attempt_void_mark ON attempt (tenant_id, void_operation_id) WHERE void_operation_id <> '';
          CREATE INDEX attempt_sending ON attempt (owner) WHERE state = 1;
          CREATE INDEX attempt_unknown ON attempt (ask_at_us) WHERE state = 4;
          CREATE INDEX attempt_to_wipe ON attempt (updated_us) WHERE wipe > 0;
          CREATE INDEX attempt_to_void ON attempt (updated_us) WHERE void_if_approved = 1 AND state = 3 AND answer = 1;
          CREATE TABLE counter (name TEXT PRIMARY KEY, last BIGINT NOT NULL);
          INSERT INTO counter (name, last) VALUES ('outcome', 0), ('admin_record', 0);
          CREATE TABLE outcome (position BIGINT PRIMARY KEY, attempt_id TEXT NOT NULL, version BIGINT NOT NULL,
            body {blob} NOT NULL);
          CREATE UNIQUE INDEX outcome_version ON outcome (attempt_id, version);
          CREATE TABLE account (account_id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, mode BIGINT NOT NULL, psp TEXT NOT NULL,
            fields TEXT NOT NULL, sealed {blob} NOT NULL, key_version BIGINT NOT NULL,
            created_us BIGINT NOT NULL, updated_us BIGINT NOT NULL);
          CREATE UNIQUE INDEX account_once ON account (tenant_id, mode, psp);
          CREATE TABLE tenant_key (tenant_id TEXT NOT NULL, version BIGINT NOT NULL, kek_id TEXT NOT NULL, wrapped {blob} NOT NULL,
            PRIMARY KEY (tenant_id, version));
          CREATE TABLE admin_record (sequence BIGINT PRIMARY KEY, time_us BIGINT NOT NULL, actor TEXT NOT NULL,
            action TEXT NOT NULL, tenant_id TEXT NOT NULL, object TEXT NOT NULL, reason TEXT NOT NULL))"},
      {"trace of the call that asked", "ALTER TABLE attempt ADD COLUMN traceparent TEXT NOT NULL DEFAULT ''"},
      // When what is left to do for an attempt is tried next. Only the claims write them: what fails again and again goes to
      // the back of its queue instead of standing at the front of it.
      {"queues of wipes and voids",
       R"(ALTER TABLE attempt ADD COLUMN wipe_at_us BIGINT NOT NULL DEFAULT 0;
          ALTER TABLE attempt ADD COLUMN void_at_us BIGINT NOT NULL DEFAULT 0;
          DROP INDEX attempt_to_wipe;
          DROP INDEX attempt_to_void;
          CREATE INDEX attempt_to_wipe ON attempt (wipe_at_us) WHERE wipe > 0;
          CREATE INDEX attempt_to_void ON attempt (void_at_us) WHERE void_if_approved = 1 AND state = 3 AND answer = 1)"},
  };
  return migrations;
}

}  // namespace flattone::gateway
