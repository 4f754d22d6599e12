// A change asked for twice is made once: the answer to a key is kept in the transaction of the state.
//
//   auto before = BeginOnce(tx, scope, now, lease);      // in the transaction that changes state
//   if (!before.ok()) return before.status();            // reused key, or the first is still running
//   if (before->has_value()) return **before;            // the kept answer
//   … change …                                           // an error rolls the row back: nothing is kept
//   FinishOnce(tx, scope, answer, now);                  // in the same transaction, or in a later one
//
// Where a change needs other services between two transactions, the row of the first says IN_PROGRESS for
// `lease`; AbandonOnce removes it when the change was refused. Refusals are never kept: they changed nothing.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/storage/database.h"
#include "services/session-orchestration/store/world.h"

namespace flattone::session {

struct OnceScope {
  World world;
  std::string method, resource, key;
  std::string request_hash;
};

// INVALID_ARGUMENT: "idempotency_key_required" (empty) or not 1 to 255 printable characters.
absl::Status CheckKey(const std::string& key);
// The kept answer; nothing: go on. INVALID_ARGUMENT "idempotency_key_reused" (another request, 422 in REST);
// ABORTED "idempotency_in_progress" (409).
absl::StatusOr<std::optional<std::string>> BeginOnce(storage::Transaction& tx, const OnceScope& scope, absl::Time now, absl::Duration lease);
absl::Status FinishOnce(storage::Transaction& tx, const OnceScope& scope, const std::string& answer, absl::Time now);
absl::Status AbandonOnce(storage::Transaction& tx, const OnceScope& scope);
// Rows beyond their 30 days; at most `limit` at a time. For the worker.
absl::Status SweepOnce(storage::Transaction& tx, absl::Time now, int limit);

}  // namespace flattone::session
