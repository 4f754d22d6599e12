#include "services/tokenisation-vault/service/registry.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::vault {
namespace {

constexpr size_t kMaxWatchers = 16;

}  // namespace

CaptureEntry::CaptureEntry(CaptureIdentity identity, std::unique_ptr<Capture> capture)
    : identity_(std::move(identity)), live_(std::move(capture)) {}

absl::Status CaptureEntry::With(const std::function<absl::Status(Capture&)>& act) {
  absl::Status status;
  bool changed = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (live_ == nullptr) {
      return Refusal(absl::StatusCode::kFailedPrecondition, {.code = "capture_ended", .fix = "open a new capture"},
                     "the capture has ended");
    }
    const uint64_t before = live_->revision();
    status = act(*live_);
    changed = live_->revision() != before;
  }
  if (changed) Tell();
  return status;
}

Progress CaptureEntry::progress() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return live_ != nullptr ? live_->progress() : last_;
}

void CaptureEntry::Tell() {
  std::lock_guard<std::mutex> lock(watch_mutex_);
  for (const auto& [id, changed] : watchers_) changed();
}

uint64_t CaptureEntry::Watch(std::function<void()> changed) {
  std::lock_guard<std::mutex> lock(watch_mutex_);
  if (watchers_.size() >= kMaxWatchers) return 0;
  watchers_.emplace(next_watcher_, std::move(changed));
  return next_watcher_++;
}

void CaptureEntry::Unwatch(uint64_t id) {
  std::lock_guard<std::mutex> lock(watch_mutex_);
  watchers_.erase(id);
}

std::shared_ptr<const TokenRow> CaptureEntry::token() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return token_;
}

void CaptureEntry::SetTokenLocked(TokenRow row) {
  row.sealed_card.clear();
  token_ = std::make_shared<const TokenRow>(std::move(row));
}

void CaptureEntry::Tick(Moment now) {
  bool changed = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (live_ == nullptr) return;
    const uint64_t before = live_->revision();
    live_->Tick(now);
    changed = live_->revision() != before;
  }
  if (changed) Tell();
}

// Gives the locked memory back once the capture has ended; what may be told stays.
bool CaptureEntry::Retire(int64_t now) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (live_ == nullptr || !IsFinal(live_->state())) return false;
  last_ = live_->progress();
  live_.reset();
  ended_nanos_ = now;
  return true;
}

absl::StatusOr<std::pair<CaptureRegistry::Entry, bool>> CaptureRegistry::Open(const CaptureIdentity& identity, const Rules& rules) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto* entries : {&live_, &ended_}) {
    const auto found = entries->find(identity.capture);
    if (found == entries->end()) continue;
    if (found->second->identity().tenant == identity.tenant) return std::make_pair(found->second, false);
    return Refusal(absl::StatusCode::kAlreadyExists, {.code = "capture_id_taken", .field = "capture_id"},
                   absl::StrCat("capture id ", identity.capture, " is taken"));
  }
  if (!opening_) {
    return Refusal(absl::StatusCode::kUnavailable, {.code = "draining", .fix = "retry on another replica"},
                   "this vault is starting or shutting down and opens no capture");
  }
  if (live_.size() >= options_.slots || ended_.size() >= options_.slots * kEndedPerSlot) {
    return Refusal(absl::StatusCode::kResourceExhausted,
                   {.code = "vault_full", .limit = absl::StrCat(options_.slots, " captures at once"), .fix = "retry on another replica"},
                   absl::StrCat("all ", options_.slots, " captures of this vault are in use"));
  }
  auto capture = Capture::Open(identity, rules, random_, now());
  if (!capture.ok()) {
    if (capture.status().code() != absl::StatusCode::kResourceExhausted) return capture.status();
    return Refusal(absl::StatusCode::kResourceExhausted, {.code = "vault_full", .fix = "retry on another replica"},
                   absl::StrCat("no locked memory is left for a capture: ", capture.status().message()));
  }
  Entry entry(new CaptureEntry(identity, std::move(*capture)));
  live_.emplace(identity.capture, entry);
  return std::make_pair(entry, true);
}

CaptureRegistry::Entry CaptureRegistry::Find(const std::string& tenant, const std::string& capture) const {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto* entries : {&live_, &ended_}) {
    const auto found = entries->find(capture);
    if (found != entries->end()) return found->second->identity().tenant == tenant ? found->second : nullptr;
  }
  return nullptr;
}

void CaptureRegistry::Remove(const std::string& capture) {
  std::lock_guard<std::mutex> lock(mutex_);
  live_.erase(capture);
  ended_.erase(capture);
}

std::vector<CaptureRegistry::Entry> CaptureRegistry::Live() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Entry> all;
  all.reserve(live_.size());
  for (const auto& [id, entry] : live_) all.push_back(entry);
  return all;
}

std::vector<std::string> CaptureRegistry::Tick() {
  const Moment at = now();
  const auto entries = Live();
  for (const Entry& entry : entries) entry->Tick(at);
  std::vector<std::string> forgotten;
  std::lock_guard<std::mutex> lock(mutex_);
  for (const Entry& entry : entries) {
    if (!entry->Retire(at.nanos)) continue;
    live_.erase(entry->identity().capture);
    ended_.emplace(entry->identity().capture, entry);
  }
  const int64_t remember = absl::ToInt64Nanoseconds(options_.remember);
  for (auto it = ended_.begin(); it != ended_.end();) {
    if (at.nanos - it->second->ended_nanos_ < remember) {
      ++it;
      continue;
    }
    forgotten.push_back(it->first);
    it = ended_.erase(it);
  }
  return forgotten;
}

void CaptureRegistry::BeginOpening() {
  std::lock_guard<std::mutex> lock(mutex_);
  opening_ = true;
}

void CaptureRegistry::EndUncollected() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    opening_ = false;  // whatever comes after this finds nothing to open: Live() below has them all
  }
  for (const Entry& entry : Live()) {
    static_cast<void>(entry->With([](Capture& capture) {
      if (!capture.collected()) capture.Cancel();
      return absl::OkStatus();
    }));
  }
}

void CaptureRegistry::CancelAll() {
  for (const Entry& entry : Live()) {
    static_cast<void>(entry->With([](Capture& capture) {
      capture.Cancel();
      return absl::OkStatus();
    }));
  }
}

size_t CaptureRegistry::live() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return live_.size();
}

}  // namespace flattone::vault
