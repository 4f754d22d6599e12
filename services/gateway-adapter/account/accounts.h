// PSP accounts: one per tenant, mode and PSP. Credentials are write-only: they come in, are sealed under the tenant's
// data key (which is wrapped under the adapter's own key-encryption key), and are only ever opened to call that PSP.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/crypto/envelope.h"
#include "libs/crypto/key_store.h"
#include "libs/storage/database.h"
#include "services/gateway-adapter/psp/psp.h"

namespace flattone::gateway {

struct Account {
  std::string account_id;
  std::string tenant_id;
  Mode mode = Mode::kTest;
  std::string psp;
  std::vector<std::string> fields;  // names of the credentials that are set
  int64_t created_us = 0;
  int64_t updated_us = 0;
};

// Runs inside the change's transaction: the audit record of who did it.
using AuditNote = std::function<absl::Status(storage::Transaction& tx, const std::string& account_id)>;

class Accounts {
 public:
  Accounts(storage::Database& database, crypto::KeyStore& keys, const Clock& clock, Random& random)
      : database_(database), keys_(keys), clock_(clock), random_(random) {}

  // Makes or replaces the account of (tenant, mode, psp).
  absl::StatusOr<Account> Put(const std::string& tenant_id, Mode mode, const std::string& psp, const Credentials& credentials,
                              const AuditNote& note);
  // A page in order of account_id, after `after`.
  absl::StatusOr<std::vector<Account>> List(const std::string& tenant_id, const std::string& after, int limit);
  // NOT_FOUND; FAILED_PRECONDITION "attempts_live" while one of its attempts has no outcome or a void is owed.
  absl::Status Delete(const std::string& tenant_id, const std::string& account_id, const AuditNote& note);
  // NOT_FOUND when it was deleted. The credentials live in locked memory.
  absl::StatusOr<Credentials> Open(const std::string& account_id);

 private:
  absl::StatusOr<uint32_t> NewestKey(storage::Transaction& tx, const std::string& tenant_id, crypto::TenantKey& out);
  absl::Status KeyOf(storage::Transaction& tx, const std::string& tenant_id, uint32_t version, crypto::TenantKey& out);
  absl::Status Store(storage::Transaction& tx, const Credentials& credentials, Account& account);

  storage::Database& database_;
  crypto::KeyStore& keys_;
  const Clock& clock_;
  Random& random_;
};

}  // namespace flattone::gateway
