#include "services/tokenisation-vault/audit/record.h"

#include "libs/crypto/context.h"
#include "libs/crypto/digest.h"

namespace flattone::vault {

std::string AuditHash(const AuditRecord& record, std::string_view previous) {
  const AuditEntry& e = record.entry;
  crypto::Context context("flattone/audit/v1");
  context.Add(previous).Add(static_cast<uint64_t>(record.sequence)).Add(static_cast<uint64_t>(record.time_ms));
  context.Add(e.actor).Add(e.action).Add(e.tenant).Add(e.object).Add(e.result).Add(e.origin);
  return std::string(crypto::AsText(crypto::Sha256(context.bytes())));
}

}  // namespace flattone::vault
