#include "services/gateway-adapter/outbox/outbox.h"

#include <chrono>

#include "services/gateway-adapter/outbox/encode.h"

namespace flattone::gateway {

absl::StatusOr<int64_t> NextNumber(storage::Transaction& tx, const char* counter) {
  auto rows = tx.Query("UPDATE counter SET last = last + 1 WHERE name = $1 RETURNING last", {counter});
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return absl::InternalError("a counter row is missing");
  return rows->front().Int("last");
}

absl::Status Outbox::Append(storage::Transaction& tx, const Attempt& attempt) {
  auto position = NextNumber(tx, "outcome");
  if (!position.ok()) return position.status();
  return tx.Execute("INSERT INTO outcome (position, attempt_id, version, body) VALUES ($1, $2, $3, $4)",
                    {*position, attempt.attempt_id, static_cast<int64_t>(attempt.version), storage::Blob{Encode(attempt)}}).status();
}

void Outbox::Appended() {
  {
    std::lock_guard lock(mutex_);
    ++appends_;
  }
  appended_.notify_all();
}

void Outbox::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  appended_.notify_all();
}

absl::StatusOr<std::vector<OutcomeRow>> Outbox::ReadNow(int64_t after, int limit) {
  std::vector<OutcomeRow> changes;
  absl::Status status = database_.Read([&](storage::Transaction& tx) -> absl::Status {
    changes.clear();
    auto rows = tx.Query("SELECT position, body FROM outcome WHERE position > $1 ORDER BY position LIMIT $2", {after, limit});
    if (!rows.ok()) return rows.status();
    for (const storage::Row& row : *rows) changes.push_back({row.Int("position"), row.Bytes("body")});
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return changes;
}

absl::StatusOr<std::vector<OutcomeRow>> Outbox::Read(int64_t after, int limit, absl::Duration wait) {
  const auto until = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(wait);
  for (;;) {
    uint64_t seen;
    {
      std::lock_guard lock(mutex_);
      seen = appends_;
    }
    auto changes = ReadNow(after, limit);
    if (!changes.ok() || !changes->empty()) return changes;
    std::unique_lock lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (stopped_ || now >= until) return changes;
    appended_.wait_until(lock, std::min(until, now + absl::ToChronoNanoseconds(poll_)),
                         [&] { return stopped_ || appends_ != seen; });
  }
}

}  // namespace flattone::gateway
