// One line of the access audit: who did what to which object, when, from where, with what result.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace flattone::vault {

struct AuditEntry {
  std::string actor;   // the caller's identity, "vault" for the sweeper
  std::string action;  // "token.create", "card.open", "code.wipe", "token.destroy", "token.expire", "key.rotate", …
  std::string tenant;
  std::string object;  // token or capture id
  std::string result = "ok";  // or the refusal's code
  std::string origin;  // peer address and trace id
};

struct AuditRecord {
  int64_t sequence = 0;  // 1, 2, 3 … without gaps
  int64_t time_ms = 0;
  AuditEntry entry;
  std::string hash;       // SHA-256 over the record and the hash before it
  std::string signature;  // ed25519 over the hash
};

// The hash that `record` must have after `previous` (empty for the first).
std::string AuditHash(const AuditRecord& record, std::string_view previous);

}  // namespace flattone::vault
