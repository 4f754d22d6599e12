// Wakes whoever waits for a tenant's events, whichever replica wrote them.
//
// One thread asks the database for the newest numbers of the tenants that somebody waits for, every
// `poll`; a commit of this process calls Poke and is seen at once. A waiter is woken once, and at the
// latest after `recheck`, so that a revoked credential ends its stream.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/storage/database.h"
#include "services/session-orchestration/store/world.h"

namespace flattone::session {

class EventHub {
 public:
  struct Options {
    absl::Duration poll = absl::Milliseconds(200);
    absl::Duration recheck = absl::Seconds(2);
  };
  EventHub(storage::Database& database, const Clock& clock, Options options);
  ~EventHub();
  EventHub(const EventHub&) = delete;
  EventHub& operator=(const EventHub&) = delete;

  // `wake` runs once, on the hub's thread, when the world may have an event above `seen`. The ticket cancels.
  uint64_t Wait(const World& world, int64_t seen, std::function<void()> wake);
  // After it returns `wake` does not run any more.
  void Cancel(uint64_t ticket);
  // This process has committed something: ask now. Any thread.
  void Poke();
  // Blocks until the world's number exceeds `seen`, or `limit` has passed. For calls that wait for an outcome.
  void WaitFor(const World& world, int64_t seen, absl::Duration limit);
  // Waiters now, for the metric.
  size_t waiting() const;

 private:
  struct Waiter {
    World world;
    int64_t seen;
    int64_t since_nanos;
    std::function<void()> wake;
  };
  void Run();
  void Ask();

  storage::Database& database_;
  const Clock& clock_;
  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, Waiter> waiters_;
  std::mutex waking_;  // held while wakes run, so that Cancel can wait for them
  uint64_t next_ = 1;
  bool poked_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace flattone::session
