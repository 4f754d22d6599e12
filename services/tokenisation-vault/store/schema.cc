#include "services/tokenisation-vault/store/schema.h"

#include <vector>

namespace flattone::vault {

std::span<const storage::Migration> Schema() {
  static const std::vector<storage::Migration> migrations = {
      {"keys, tokens, audit, places of captures", R"sql(
CREATE TABLE tenant_key (
  tenant_id TEXT NOT NULL, purpose TEXT NOT NULL, version BIGINT NOT NULL,
  kek_id TEXT NOT NULL, wrapped {blob} NOT NULL, created_ms BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, purpose, version));
CREATE TABLE token (
  token_id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, capture_id TEXT NOT NULL UNIQUE, purpose BIGINT NOT NULL,
  brand TEXT NOT NULL, bin TEXT NOT NULL, last_four TEXT NOT NULL, fingerprint TEXT NOT NULL,
  key_version BIGINT NOT NULL, sealed_card {blob},
  created_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, destroyed_ms BIGINT NOT NULL DEFAULT 0,
  opens BIGINT NOT NULL DEFAULT 0,
  code_until_ms BIGINT NOT NULL, code_replica TEXT NOT NULL, code_address TEXT NOT NULL);
CREATE INDEX token_expiry ON token (expires_ms) WHERE destroyed_ms = 0;
CREATE TABLE audit (
  sequence BIGINT PRIMARY KEY, time_ms BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  tenant_id TEXT NOT NULL, object TEXT NOT NULL, result TEXT NOT NULL, origin TEXT NOT NULL,
  hash {blob} NOT NULL, signature {blob} NOT NULL);
CREATE INDEX audit_tenant ON audit (tenant_id, sequence);
CREATE TABLE audit_head (id BIGINT PRIMARY KEY, sequence BIGINT NOT NULL, hash {blob} NOT NULL);
INSERT INTO audit_head VALUES (1, 0, '');
CREATE TABLE replica (replica_id TEXT PRIMARY KEY, address TEXT NOT NULL, lease_until_ms BIGINT NOT NULL);
CREATE TABLE capture_place (
  capture_id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, replica_id TEXT NOT NULL, address TEXT NOT NULL,
  expires_ms BIGINT NOT NULL);
CREATE INDEX capture_place_expiry ON capture_place (expires_ms);
)sql"},
  };
  return migrations;
}

}  // namespace flattone::vault
