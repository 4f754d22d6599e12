// Every change of outcome, numbered 1, 2, 3 … without gaps in commit order: the orchestrator reads it from its own
// durable cursor.
//
// The number comes from a counter row that is updated as the transaction's last step: its lock is held until the
// commit, so a higher number never becomes visible before a lower one, and a rollback takes its number back.
// A database sequence would do neither.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/storage/database.h"
#include "services/gateway-adapter/attempt/attempt.h"

namespace flattone::gateway {

struct OutcomeRow {
  int64_t position = 0;
  std::string body;  // flattone.gateway.v1.Attempt
};

class Outbox {
 public:
  // `poll`: how often a waiting reader looks for what another replica wrote.
  explicit Outbox(storage::Database& database, absl::Duration poll = absl::Milliseconds(250))
      : database_(database), poll_(poll) {}

  // In the caller's transaction, as its last step.
  static absl::Status Append(storage::Transaction& tx, const Attempt& attempt);
  // After that transaction's commit: wakes readers of this process.
  void Appended();

  // At most `limit` changes after `position`; waits up to `wait` for the first one. Any thread; blocks.
  absl::StatusOr<std::vector<OutcomeRow>> Read(int64_t after, int limit, absl::Duration wait);
  // Lets waiting readers go at once (shutdown).
  void Stop();

 private:
  absl::StatusOr<std::vector<OutcomeRow>> ReadNow(int64_t after, int limit);

  storage::Database& database_;
  const absl::Duration poll_;
  std::mutex mutex_;
  std::condition_variable appended_;
  uint64_t appends_ = 0;
  bool stopped_ = false;
};

// The next number of a counter row, held until commit.
absl::StatusOr<int64_t> NextNumber(storage::Transaction& tx, const char* counter);

}  // namespace flattone::gateway
