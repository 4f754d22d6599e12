// Tokens in the database. Every change and every release of a card is written together with its audit record,
// many callers' in one commit. Any thread; blocks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/storage/group_commit.h"
#include "services/tokenisation-vault/audit/chain.h"
#include "services/tokenisation-vault/store/token.h"

namespace flattone::vault {

// How long the number of a payment's card waits for its code or expiry to be typed again.
inline constexpr absl::Duration kTypedAgain = absl::Minutes(15);

class TokenStore {
 public:
  TokenStore(storage::Database& database, storage::GroupCommitter& group, const AuditChain& audit, const Clock& clock)
      : database_(database), group_(group), audit_(audit), clock_(clock) {}

  // Takes the place of a row of the same capture that was never told to anybody, because its commit was not confirmed; only
  // the process that holds the capture calls it. ALREADY_EXISTS when that token was used, or is another's.
  // `replaced`: a token whose card the new row has, destroyed with the same commit; empty: none.
  absl::Status Insert(const TokenRow& row, const AuditEntry& entry, const std::string& replaced = {});
  // A card of purpose PAYMENT stays at least until then. FAILED_PRECONDITION "card_not_kept" when it is gone or another's.
  absl::StatusOr<TokenRow> KeepUntil(const std::string& tenant, const std::string& token, absl::Time until);
  // NOT_FOUND (code "token_not_found") also for another tenant's.
  absl::StatusOr<TokenRow> Find(const std::string& tenant, const std::string& token);
  absl::StatusOr<TokenRow> FindByCapture(const std::string& tenant, const std::string& capture);

  // Counts one opening and audits it, or audits the refusal that `admit` gives for the row. The row comes back
  // only once both are durable. `admit` may run several times and has no effect of its own.
  absl::StatusOr<TokenRow> Open(const std::string& tenant, const std::string& token, AuditEntry entry,
                                const std::function<absl::Status(const TokenRow&)>& admit);

  // The code is wiped; with `destroy` the ciphertext goes too, else that of purpose PAYMENT in kTypedAgain. NOT_FOUND.
  absl::Status CodeWiped(const std::string& tenant, const std::string& token, bool destroy, const AuditEntry& entry);
  // Destroys up to `limit` tokens whose time has come; how many.
  absl::StatusOr<int> DestroyExpired(int limit);

 private:
  absl::Status Destroy(storage::Transaction& tx, const std::string& token) const;

  storage::Database& database_;
  storage::GroupCommitter& group_;
  const AuditChain& audit_;
  const Clock& clock_;
};

absl::Status TokenNotFound(const std::string& token);
absl::Status CardNotKept(const std::string& token);

}  // namespace flattone::vault
