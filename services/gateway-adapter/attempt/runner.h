// Sends attempts: from the committed SENDING to the committed outcome, whatever becomes of the caller.
//
//   auto attempt = runner.Start(wanted, {.wait = absl::Seconds(20)});   // its outcome, or PENDING after 20 s
//
// Each attempt in flight has a thread of its own, at most `max_in_flight` of them; a request beyond that is refused
// before anything is committed. Nothing here is cancelled: Drain waits, and the process's shutdown deadline is longer
// than a PSP's time-out. An answer that the database does not take waits here until it does, or the process ends.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/gate.h"
#include "libs/obs/log.h"
#include "services/gateway-adapter/account/accounts.h"
#include "services/gateway-adapter/attempt/ledger.h"
#include "services/gateway-adapter/attempt/meters.h"
#include "services/gateway-adapter/card/card_source.h"
#include "services/gateway-adapter/psp/psp.h"

namespace flattone::gateway {

// By the name that the operator's configuration gives it.
using Psps = std::map<std::string, std::unique_ptr<PspAdapter>>;

struct StartOptions {
  bool security_code_required = false;
  absl::Duration wait = absl::InfiniteDuration();
};

class Runner {
 public:
  struct Parts {
    Ledger& ledger;
    Accounts& accounts;
    Psps& psps;
    CardSource& cards;
    Meters& meters;
    obs::Logger& log;
    const Clock& clock;
    const Gates& gates;
  };
  // `store_again`: the pause after an outcome that the database did not take.
  Runner(Parts parts, int max_in_flight, absl::Duration store_again = absl::Milliseconds(500))
      : p_(parts), max_in_flight_(max_in_flight), store_again_(store_again) {}
  ~Runner() { Drain(absl::InfiniteFuture()); }

  // Any thread; blocks up to `wait`. Errors: Ledger::Begin's, RESOURCE_EXHAUSTED "adapter_busy", UNAVAILABLE "draining".
  absl::StatusOr<Attempt> Start(const NewAttempt& wanted, const StartOptions& options);

  // Begins nothing any more and waits until nothing is in flight; false at the deadline, from which on outcomes that cannot
  // be stored are left to the next process.
  bool Drain(absl::Time deadline);
  // Attempts whose begin was never confirmed were sent by nobody: says so in the ledger. Now and then.
  void SettleLost();
  int in_flight() const;

 private:
  struct Flight {
    std::condition_variable landed;
    bool done = false;
    Attempt attempt;
  };
  struct Lost {
    std::string attempt_id;
    absl::Time since;
  };
  // Takes a place; an error when there is none.
  absl::Status Admit();
  void Remember(const std::string& attempt_id, const absl::Status& why);
  void NoteContradiction(const Attempt& now, const Event& event);
  absl::StatusOr<Attempt> Wait(const std::shared_ptr<Flight>& flight, absl::Duration wait);
  void Launch(const std::shared_ptr<Flight>& flight, const StartOptions& options);
  Attempt Run(Attempt attempt, const StartOptions& options);
  Event Send(Attempt& attempt, const StartOptions& options, bool& taken_over);
  SendResult Call(PspAdapter& psp, const SendRequest& request);
  void WipeCard(Attempt& attempt, const Event& event);
  Attempt Commit(const Attempt& attempt, const Event& event);

  const Parts p_;
  const int max_in_flight_;
  const absl::Duration store_again_;
  mutable std::mutex mutex_;
  std::condition_variable empty_;
  int in_flight_ = 0;
  bool draining_ = false, given_up_ = false;
  std::map<std::string, std::shared_ptr<Flight>> flights_;  // by attempt id
  std::deque<Lost> lost_;  // bounded: the oldest go, and are UNKNOWN when this process ends
};

}  // namespace flattone::gateway
