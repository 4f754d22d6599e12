// All captures of this process: a bounded number, each behind its own lock, with those who watch them. Ended
// captures are remembered for a while (their last progress, their token), without any secret.
//
// Any thread. Callbacks of watchers run on the thread that made the change, without a lock held.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "services/tokenisation-vault/capture/capture.h"
#include "services/tokenisation-vault/store/token.h"

namespace flattone::vault {

class CaptureEntry {
 public:
  // Runs `act` on the live capture under its lock, then tells the watchers of a change. FAILED_PRECONDITION
  // "capture_ended" when only its memory is left.
  absl::Status With(const std::function<absl::Status(Capture&)>& act);
  Progress progress() const;
  const CaptureIdentity& identity() const { return identity_; }

  // `changed` is called after every change until Unwatch; 0 when there are too many watchers.
  uint64_t Watch(std::function<void()> changed);
  // Returns when no call of that watcher is running any more.
  void Unwatch(uint64_t id);

  // One tokenisation at a time: the lock that its caller holds from Collect to Finish.
  std::mutex& tokenising() { return tokenising_; }
  // The token, once there is one.
  std::shared_ptr<const TokenRow> token() const;
  // Inside With() only.
  void SetTokenLocked(TokenRow row);

 private:
  friend class CaptureRegistry;
  CaptureEntry(CaptureIdentity identity, std::unique_ptr<Capture> capture);
  void Tick(Moment now);
  void Tell();
  // True when it has just given its locked memory back.
  bool Retire(int64_t now);

  const CaptureIdentity identity_;
  mutable std::mutex mutex_;
  std::unique_ptr<Capture> live_;
  Progress last_;
  std::shared_ptr<const TokenRow> token_;
  int64_t ended_nanos_ = 0;  // the registry's lock guards it
  std::mutex tokenising_;
  std::mutex watch_mutex_;
  std::map<uint64_t, std::function<void()>> watchers_;
  uint64_t next_watcher_ = 1;
};

class CaptureRegistry {
 public:
  struct Options {
    size_t slots = 2000;                                // live captures
    absl::Duration remember = absl::Minutes(11);        // an ended one: as long as a code may be held
  };
  using Entry = std::shared_ptr<CaptureEntry>;
  static constexpr size_t kEndedPerSlot = 10;

  CaptureRegistry(Random& random, const Clock& clock, Options options) : random_(random), clock_(clock), options_(options) {}

  // The entry, and whether it is new: opening the same capture again gives the one there is. ALREADY_EXISTS for
  // another tenant's; RESOURCE_EXHAUSTED "vault_full"; UNAVAILABLE "draining"; what Capture::Open says.
  absl::StatusOr<std::pair<Entry, bool>> Open(const CaptureIdentity& identity, const Rules& rules);
  // nullptr when it is not here, or another tenant's.
  Entry Find(const std::string& tenant, const std::string& capture) const;
  void Remove(const std::string& capture);

  // From now on Open makes captures; before, and after EndUncollected, it answers UNAVAILABLE "draining".
  void BeginOpening();
  // Opens none any more and cancels every capture whose card is not just being tokenised.
  void EndUncollected();
  bool opening() const { return opening_; }

  // Several times a second: pauses, time-outs, forgetting. The ids of those forgotten.
  std::vector<std::string> Tick();
  // Cancels every capture, at once.
  void CancelAll();
  size_t live() const;

  Moment now() const { return {clock_.Now(), clock_.MonotonicNanos()}; }

 private:
  std::vector<Entry> Live() const;

  Random& random_;
  const Clock& clock_;
  const Options options_;
  mutable std::mutex mutex_;
  std::atomic<bool> opening_ = false;  // written under mutex_; read alone by whoever holds an entry, which comes after mutex_
  std::map<std::string, Entry> live_;
  std::map<std::string, Entry> ended_;  // at most kEndedPerSlot for each slot
};

}  // namespace flattone::vault
