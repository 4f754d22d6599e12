// A change that needs one transaction: the kept answer, or the change and its answer together.
#pragma once

#include <functional>

#include "services/session-orchestration/session/context.h"

namespace flattone::session {

// `make` runs inside the transaction; `redact` removes from the kept answer what is shown only once.
template <typename Answer>
absl::StatusOr<Answer> Once(const Domain& domain, const Change& change, const std::function<absl::StatusOr<Answer>(storage::Transaction&)>& make,
                            const std::function<void(Answer&)>& redact = nullptr) {
  Answer answer;
  const absl::Status done = domain.Commit([&](storage::Transaction& tx) -> absl::Status {
    auto before = BeginOnce(tx, change.once, domain.clock.Now(), absl::Seconds(30));
    if (!before.ok()) return before.status();
    if (before->has_value()) {
      return answer.ParseFromString(**before) ? absl::OkStatus() : absl::InternalError("a kept answer does not parse");
    }
    auto made = make(tx);
    if (!made.ok()) return made.status();
    answer = *made;
    Answer kept = answer;
    if (redact) redact(kept);
    return FinishOnce(tx, change.once, kept.SerializeAsString(), domain.clock.Now());
  });
  if (!done.ok()) return done;
  return answer;
}

// For changes of several transactions: the first part of Once, inside `tx`. True: `answer` is the kept one.
template <typename Answer>
absl::StatusOr<bool> Kept(storage::Transaction& tx, const Domain& domain, const Change& change, absl::Duration lease, Answer& answer) {
  auto before = BeginOnce(tx, change.once, domain.clock.Now(), lease);
  if (!before.ok()) return before.status();
  if (!before->has_value()) return false;
  if (!answer.ParseFromString(**before)) return absl::InternalError("a kept answer does not parse");
  return true;
}

// The change was refused after its first transaction: the key may be used again.
inline absl::Status GiveUp(const Domain& domain, const Change& change, const absl::Status& why) {
  const absl::Status gone = domain.db.Write([&](storage::Transaction& tx) { return AbandonOnce(tx, change.once); });
  (void)gone;  // if this fails the lease ends by itself
  return why;
}

}  // namespace flattone::session
