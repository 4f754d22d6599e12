// Brings every attempt to an outcome: asks the PSP about UNKNOWN ones, fences what the PSP never saw, takes over
// from processes that were lost, voids what is marked void-if-approved, tells the vault what it may wipe.
//
// Nothing here moves money towards the merchant. All state is in the ledger, so a restart goes on where this
// process stopped, and several replicas share the work.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "services/gateway-adapter/attempt/runner.h"

namespace flattone::gateway {

class Resolver {
 public:
  Resolver(Runner::Parts parts, Runner& runner) : p_(parts), runner_(runner) {}
  ~Resolver() { Stop(); }

  // Everything that is due now, once, to its end. One thread at a time.
  void Tick();

  // Threads that do so every `every`, and one that renews this process's lease every `renew`.
  void Start(absl::Duration every, absl::Duration renew);
  void Stop();

 private:
  // What concerns money, and does not wait for an answer; questions run on.
  void Settle();
  void AskAll();
  void AwaitAnswers();
  void AskOne(const Attempt& attempt);
  // What the PSP says now; true when `event` is an outcome.
  bool Learn(const Attempt& attempt, Event& event);
  void VoidMarked();
  void WipeLeft();
  void Loop(absl::Duration every, const std::function<void()>& work);

  const Runner::Parts p_;
  Runner& runner_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopped_ = false;
  int asking_ = 0;
  std::condition_variable answered_;
  std::thread ticks_, wipes_, leases_;
};

}  // namespace flattone::gateway
