#include "services/session-orchestration/worker/watcher.h"

#include <chrono>
#include <set>

#include "services/session-orchestration/replica/replica.h"
#include "services/session-orchestration/store/rows.h"

namespace flattone::session {
namespace {

constexpr absl::Duration kLease = absl::Seconds(30);
constexpr int kMaxFailures = 10;  // half a second apart: then the replica counts as gone

}  // namespace

Watcher::Watcher(const Domain& domain, CaptureService& captures, obs::Logger& log, int threads, size_t max_captures)
    : domain_(domain), captures_(captures), log_(log), max_captures_(max_captures) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

Watcher::~Watcher() {
  std::map<std::string, Followed> last;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    last.swap(followed_);
  }
  changed_.notify_all();
  last.clear();  // ends the streams; their callbacks find nothing to do
  for (std::thread& thread : threads_) thread.join();
}

void Watcher::Follow(const CaptureRow& capture) {
  {
    std::lock_guard lock(mutex_);
    if (stop_ || followed_.count(capture.id) != 0 || followed_.size() >= max_captures_) return;
    followed_.try_emplace(capture.id).first->second.tenant_id = capture.tenant_id;
  }
  Open(capture.id, capture.tenant_id, capture.vault_address);
}

void Watcher::Open(const std::string& id, const std::string& tenant_id, const std::string& address) {
  uint64_t run = 0;
  {
    std::lock_guard lock(mutex_);
    auto found = followed_.find(id);
    if (found == followed_.end()) return;
    run = ++found->second.run;
    found->second.over = false;
  }
  vault::v1::WatchCaptureRequest request;
  request.set_tenant_id(tenant_id);
  request.set_capture_id(id);
  auto watch = domain_.vault.WatchCapture(
      address, request,
      [this, id, run](const vault::v1::CaptureStatus& status) {
        std::lock_guard lock(mutex_);
        auto found = followed_.find(id);
        if (found == followed_.end() || found->second.run != run) return;
        found->second.newest = status;
        found->second.failures = 0;
        Queue(id);
      },
      [this, id, run](const absl::Status& status) {
        std::lock_guard lock(mutex_);
        auto found = followed_.find(id);
        if (found == followed_.end() || found->second.run != run) return;
        found->second.over = true;
        found->second.ended = status;
        Queue(id);
      });
  std::unique_ptr<Watch> old;  // like a watch that is not kept, it goes after the lock: its end waits for the callbacks
  std::lock_guard lock(mutex_);
  auto found = followed_.find(id);
  if (found == followed_.end() || found->second.run != run || found->second.over) return;
  old = std::exchange(found->second.watch, std::move(watch));
}

void Watcher::Queue(const std::string& id) {
  Followed& followed = followed_[id];
  if (followed.queued) return;
  followed.queued = true;
  queue_.push_back(id);
  changed_.notify_one();
}

void Watcher::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    const std::string id = queue_.front();
    queue_.pop_front();
    lock.unlock();
    Step(id);
    lock.lock();
  }
}

void Watcher::Step(const std::string& id) {
  std::optional<vault::v1::CaptureStatus> newest;
  std::optional<absl::Status> ended;
  std::string tenant_id;
  {
    std::lock_guard lock(mutex_);
    auto found = followed_.find(id);
    if (found == followed_.end()) return;
    found->second.queued = false;
    newest.swap(found->second.newest);
    ended.swap(found->second.ended);
    tenant_id = found->second.tenant_id;
  }
  if (newest.has_value()) {
    const absl::Status applied = captures_.Apply(tenant_id, *newest);
    if (!applied.ok()) {
      log_.Warn("a capture's progress could not be stored", {{"capture", id}, {"status", applied}});
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::milliseconds(200), [&] { return stop_; });
      auto found = followed_.find(id);
      if (found == followed_.end()) return;
      if (!found->second.newest.has_value()) found->second.newest = newest;
      if (!found->second.ended.has_value()) found->second.ended = ended;
      Queue(id);  // once more, with what is newest by then
      return;
    }
  }
  if (ended.has_value()) Ended(id, tenant_id, *ended);
}

void Watcher::Ended(const std::string& id, const std::string& tenant_id, const absl::Status& status) {
  const auto detail = DetailOf(status);
  const bool lost = status.code() == absl::StatusCode::kNotFound || (detail.has_value() && detail->code == "capture_lost");
  bool give_up = lost || status.ok();
  std::unique_ptr<Watch> old;
  {
    std::lock_guard lock(mutex_);
    auto found = followed_.find(id);
    if (found == followed_.end()) return;
    if (!give_up && ++found->second.failures >= kMaxFailures) give_up = true;
    found->second.retry_us = domain_.NowUs() + 500'000;
    old = std::move(found->second.watch);
    if (give_up) followed_.erase(found);
  }
  old.reset();
  if (status.ok() || !give_up) return;  // a final state was told before the end
  log_.Warn("the vault does not have a capture any more", {{"capture", id}, {"status", status}});
  const absl::Status told = captures_.Lost(tenant_id, id, "the vault that held the capture is gone: start it again");
  if (!told.ok()) log_.Warn("a lost capture could not be recorded", {{"capture", id}, {"status", told}});
}

absl::Status Watcher::Tend() {
  const int64_t now = domain_.NowUs();
  std::vector<CaptureRow> mine;
  FT_TRY(domain_.db.Write([&](storage::Transaction& tx) -> absl::Status {
    mine.clear();
    FT_TRY(StillReplica(tx, domain_.replica));
    auto rows = tx.Query(std::string(kSelectCapture) + "WHERE phase = 'RUNNING' AND (owner = $1 OR owner_until_us <= $2) ORDER BY id LIMIT 2000" +
                             tx.ForUpdateSkipLocked(),
                         {domain_.replica, now});
    if (!rows.ok()) return rows.status();
    mine = CapturesIn(*rows);
    for (const CaptureRow& capture : mine) {
      FT_TRY(tx.Execute("UPDATE capture SET owner = $1, owner_until_us = $2 WHERE id = $3",
                        {domain_.replica, absl::ToUnixMicros(domain_.clock.Now() + kLease), capture.id}).status());
    }
    return absl::OkStatus();
  }));
  std::vector<CaptureRow> reopen;
  {
    std::lock_guard lock(mutex_);
    std::set<std::string> running;
    for (const CaptureRow& capture : mine) running.insert(capture.id);
    // Ended otherwise while its vault was away: nobody opens its stream again.
    std::erase_if(followed_, [&](const auto& entry) {
      const Followed& followed = entry.second;
      return followed.failures > 0 && followed.watch == nullptr && !followed.queued && running.count(entry.first) == 0;
    });
    for (const CaptureRow& capture : mine) {
      auto found = followed_.find(capture.id);
      const bool idle = found != followed_.end() && found->second.watch == nullptr && found->second.retry_us <= now && !found->second.queued;
      if (idle) reopen.push_back(capture);
    }
  }
  for (const CaptureRow& capture : mine) Follow(capture);
  for (const CaptureRow& capture : reopen) Open(capture.id, capture.tenant_id, capture.vault_address);
  return absl::OkStatus();
}

size_t Watcher::following() const {
  std::lock_guard lock(mutex_);
  return followed_.size();
}

}  // namespace flattone::session
