// What the domain classes share: database, clock, randomness, ports, hub. Made once in main.cc, or by a test.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/error.h"
#include "libs/base/gate.h"
#include "libs/base/random.h"
#include "libs/base/try.h"
#include "libs/storage/database.h"
#include "services/session-orchestration/event/event_hub.h"
#include "services/session-orchestration/ports/ports.h"
#include "services/session-orchestration/store/idempotency.h"

namespace flattone::session {

struct Domain {
  storage::Database& db;
  const Clock& clock;
  Random& random;
  RelayPort& relays;
  VaultPort& vault;
  GatewayPort& gateway;
  EventHub& hub;
  const Gates& gates;
  std::string replica;                              // this process, as owner of leases
  absl::Duration session_timeout = absl::Hours(4);  // then it ends with "timed_out"
  int relays_asked = 16;                            // for a call that no relay has reported yet

  int64_t NowUs() const { return absl::ToUnixMicros(clock.Now()); }
  // Write, then wake the readers of events.
  absl::Status Commit(const storage::Database::Work& work) const {
    const absl::Status done = db.Write(work);
    if (done.ok()) hub.Poke();
    return done;
  }
};

// One asked change: for whom, by whom, once.
struct Change {
  World world;
  std::string actor;  // on the events
  OnceScope once;
  std::string traceparent;
};

inline absl::Status Refuse(absl::StatusCode status, std::string code, std::string message, std::string fix = {}) {
  return Refusal(status, {.code = std::move(code), .field = {}, .limit = {}, .fix = std::move(fix)}, message);
}

}  // namespace flattone::session
