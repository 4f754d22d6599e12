// Security codes between "all fields are in" and the answer: in locked memory only, each with the moment at which
// it is wiped whatever happens. Whoever wipes it first wins: the adapter after the answer, the orchestrator's
// cancel, the clock, the end of the process. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "absl/time/time.h"
#include "libs/card/security_code.h"
#include "libs/crypto/sealed_card.h"

namespace flattone::vault {

class HeldCodes {
 public:
  // A code that has been released is wiped this long after its first release, even when nobody reports an answer:
  // the PSP's own time-out and 60 s of unknown outcome.
  explicit HeldCodes(absl::Duration after_release) : after_release_nanos_(absl::ToInt64Nanoseconds(after_release)) {}

  void Put(const std::string& token, card::SecurityCode code, int64_t deadline_nanos);
  bool Has(const std::string& token) const;
  // Copies the code into the card; false when there is none.
  bool AddTo(const std::string& token, crypto::SecretCard& card, int64_t now_nanos);
  // At once; whether one was held.
  bool Wipe(const std::string& token);
  // Wipes those whose time has come; how many.
  size_t Sweep(int64_t now_nanos);
  // Shutdown begins: wipes those that were released, since the adapter has them; each other one goes with its release. How
  // many were wiped now.
  size_t Drain();
  void WipeAll();
  // WipeAll, and what comes later is wiped as it comes.
  void Close();
  size_t size() const;

 private:
  struct Held {
    card::SecurityCode code;
    int64_t deadline_nanos;
    bool released = false;
  };
  const int64_t after_release_nanos_;
  mutable std::mutex mutex_;
  std::map<std::string, Held> codes_;
  bool release_once_ = false, closed_ = false;
};

}  // namespace flattone::vault
