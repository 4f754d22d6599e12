#include "services/session-orchestration/event/event_hub.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"

namespace flattone::session {
namespace {

using Newest = std::map<std::pair<std::string, int>, int64_t>;

// Lists have one of two lengths, filled up with the last tenant, so that each statement is prepared once.
constexpr size_t kFew = 16, kMany = 128;

absl::Status ReadNewest(storage::Transaction& tx, const std::vector<std::string>& tenants, Newest& newest) {
  for (size_t at = 0; at < tenants.size();) {
    const size_t width = tenants.size() - at <= kFew ? kFew : kMany;
    std::vector<storage::Value> values;
    std::string places;
    for (size_t i = 0; i < width; ++i) {
      values.emplace_back(tenants[std::min(at + i, tenants.size() - 1)]);
      absl::StrAppend(&places, i == 0 ? "$" : ", $", i + 1);
    }
    auto rows = tx.Query("SELECT tenant_id, mode, last_event FROM world WHERE tenant_id IN (" + places + ")", values);
    if (!rows.ok()) return rows.status();
    for (const storage::Row& row : *rows) newest[{row.Text("tenant_id"), static_cast<int>(row.Int("mode"))}] = row.Int("last_event");
    at += width;
  }
  return absl::OkStatus();
}

}  // namespace

EventHub::EventHub(storage::Database& database, const Clock& clock, Options options)
    : database_(database), clock_(clock), options_(options), thread_([this] { Run(); }) {}

EventHub::~EventHub() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

uint64_t EventHub::Wait(const World& world, int64_t seen, std::function<void()> wake) {
  std::lock_guard lock(mutex_);
  waiters_.emplace(next_, Waiter{world, seen, clock_.MonotonicNanos(), std::move(wake)});
  changed_.notify_one();
  return next_++;
}

void EventHub::Cancel(uint64_t ticket) {
  {
    std::lock_guard lock(mutex_);
    if (waiters_.erase(ticket) == 1) return;
  }
  if (std::this_thread::get_id() == thread_.get_id()) return;  // from inside a wake: it is this one
  std::lock_guard waking(waking_);
}

void EventHub::Poke() {
  std::lock_guard lock(mutex_);
  poked_ = true;
  changed_.notify_one();
}

void EventHub::WaitFor(const World& world, int64_t seen, absl::Duration limit) {
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    bool woken = false;
  };
  auto shared = std::make_shared<Shared>();
  const uint64_t ticket = Wait(world, seen, [shared] {
    std::lock_guard lock(shared->mutex);
    shared->woken = true;
    shared->changed.notify_one();
  });
  {
    std::unique_lock lock(shared->mutex);
    shared->changed.wait_for(lock, absl::ToChronoMilliseconds(limit), [&] { return shared->woken; });
  }
  Cancel(ticket);
}

size_t EventHub::waiting() const {
  std::lock_guard lock(mutex_);
  return waiters_.size();
}

void EventHub::Run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (waiters_.empty()) {
      poked_ = false;
      changed_.wait(lock, [&] { return stop_ || !waiters_.empty(); });
    } else {
      changed_.wait_for(lock, absl::ToChronoMilliseconds(options_.poll), [&] { return stop_ || poked_; });
    }
    if (stop_) return;
    poked_ = false;
    lock.unlock();
    Ask();
    lock.lock();
  }
}

void EventHub::Ask() {
  std::set<std::string> waited_for;
  {
    std::lock_guard lock(mutex_);
    for (const auto& entry : waiters_) waited_for.insert(entry.second.world.tenant_id);
  }
  const std::vector<std::string> tenants(waited_for.begin(), waited_for.end());
  Newest newest;
  // A database that does not answer wakes nobody early; the streams themselves will tell their clients.
  const absl::Status asked = database_.Read([&](storage::Transaction& tx) { return ReadNewest(tx, tenants, newest); });
  std::lock_guard waking(waking_);
  std::vector<std::function<void()>> wakes;
  {
    std::lock_guard lock(mutex_);
    const int64_t now = clock_.MonotonicNanos();
    for (auto it = waiters_.begin(); it != waiters_.end();) {
      const auto found = newest.find({it->second.world.tenant_id, it->second.world.mode});
      const bool news = asked.ok() && found != newest.end() && found->second > it->second.seen;
      if (news || now - it->second.since_nanos >= absl::ToInt64Nanoseconds(options_.recheck)) {
        wakes.push_back(std::move(it->second.wake));
        it = waiters_.erase(it);
      } else {
        ++it;
      }
    }
  }
  for (auto& wake : wakes) wake();
}

}  // namespace flattone::session
