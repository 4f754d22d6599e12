// The access audit as a chain in the database: each record carries the hash of the one before and a signature,
// so that one flipped, removed or inserted row shows. It is written in the transaction of what it tells of:
// no audit, no reveal.
//
//   group.Write([&](Transaction& tx) -> absl::Status {
//     auto head = chain.Lock(tx);                  // first thing: one order of locks everywhere
//     ...
//     return chain.Append(tx, *head, {.actor = …, .action = "card.open", …});
//   });
//
// What no chain can show by itself is that its end was cut off together with the head row. The running process
// therefore remembers how far it has verified, and the newest sequence is a metric: whoever scrapes it keeps
// an anchor outside.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/crypto/signing.h"
#include "libs/storage/group_commit.h"
#include "services/tokenisation-vault/audit/record.h"

namespace flattone::vault {

struct AuditHead {
  int64_t sequence = 0;
  std::string hash;
};

struct AuditVerdict {
  bool intact = true;
  int64_t records = 0;
  int64_t broken_sequence = 0;  // the first record that does not verify
  std::string problem;
};

class AuditChain {
 public:
  AuditChain(storage::Database& database, storage::GroupCommitter& group, const Clock& clock, crypto::SigningKey key)
      : database_(database), group_(group), clock_(clock), key_(std::move(key)) {}

  // Inside the caller's transaction; `head` moves on with each Append.
  absl::StatusOr<AuditHead> Lock(storage::Transaction& tx) const;
  absl::Status Append(storage::Transaction& tx, AuditHead& head, const AuditEntry& entry) const;
  // A transaction of its own.
  absl::Status Record(const AuditEntry& entry);

  // Oldest first, after that sequence; of one tenant or, with an empty one, of all.
  absl::StatusOr<std::vector<AuditRecord>> List(const std::string& tenant, int64_t after, int limit) const;
  // The newest sequence; 0: none yet.
  absl::StatusOr<int64_t> Newest() const;
  // Walks all of it. An error only when the database does not answer.
  absl::StatusOr<AuditVerdict> Verify();

  const crypto::SigningPublicKey& public_key() const { return key_.public_key(); }

 private:
  storage::Database& database_;
  storage::GroupCommitter& group_;
  const Clock& clock_;
  crypto::SigningKey key_;
  std::mutex mutex_;
  AuditHead verified_;
};

// The walk alone, for a tool that has only the public key and the database.
absl::StatusOr<AuditVerdict> VerifyAuditChain(storage::Database& database, const crypto::SigningPublicKey& key,
                                              const AuditHead& known, AuditHead* reached);

}  // namespace flattone::vault
