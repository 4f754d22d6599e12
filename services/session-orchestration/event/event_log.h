// Events, numbered without gaps per session and per (tenant, mode), in commit order.
//
// The tenant's number is given by an UPDATE of its row in `world`: the row lock is held until the transaction
// commits, so a higher number never commits before a lower one, and a roll-back leaves no gap. Append last in
// a transaction: from there on the tenant's other writers wait.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/random.h"
#include "services/session-orchestration/store/rows.h"

namespace flattone::session {

struct EventDraft {
  std::string type;                       // "session.ready"
  std::string actor;                      // agent, key id, "caller", "system"
  std::string message;                    // for people; never card data
  const PaymentRow* payment = nullptr;    // payment events
};

// Writes the event, its webhook deliveries and the session's row (with the new last_event). `session` is the
// session after the event. Gives the event as readers will see it.
absl::StatusOr<v1::Event> AppendEvent(storage::Transaction& tx, Random& random, absl::Time now, SessionRow& session, const EventDraft& draft);

// Events after a number, oldest first, at most `limit`.
absl::StatusOr<std::vector<v1::Event>> SessionEvents(storage::Transaction& tx, const World& world, std::string_view session_id, int64_t after, int limit);
absl::StatusOr<std::vector<v1::Event>> TenantEvents(storage::Transaction& tx, const World& world, int64_t after, int limit);

}  // namespace flattone::session
