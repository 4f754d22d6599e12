// Brings one leg's keys to the vault: sealed at once to the capture's own key, sent one after the other in order,
// acknowledged, the same message again until the vault has it or the bound is over. A lost key leaves a gap in
// the ordinals, which the vault notices. No clear symbol outlives Send(), but for keys pressed while the capture's key
// is being fetched: at most `before_open` of them wait in locked memory, no longer than `open_bound`. Loop thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/crypto/x25519.h"
#include "libs/secret/secret.h"
#include "services/dtmf-masking/keys/vault_link.h"

namespace flattone::masking {

struct KeySenderLimits {
  absl::Duration attempt = absl::Milliseconds(750);       // one call
  absl::Duration bound = absl::Seconds(10);               // from the key to giving up
  absl::Duration first_retry = absl::Milliseconds(50);    // doubles
  absl::Duration last_retry = absl::Milliseconds(800);
  absl::Duration open_bound = absl::Milliseconds(1800);   // for the capture's public key
  size_t waiting = 64;
  size_t before_open = 8;  // nobody presses more within open_bound
};

class KeySender : public std::enable_shared_from_this<KeySender> {
 public:
  struct Listener {
    std::function<void(const absl::Status&)> opened;
    std::function<void(uint32_t onset, absl::Duration took)> delivered;
    std::function<void(uint32_t onset, const absl::Status&)> lost;
    std::function<void()> retried;
  };

  static std::shared_ptr<KeySender> Create(CaptureRef capture, KeySenderLimits limits, std::shared_ptr<VaultLink> link,
                                           Random& random, const Clock& clock, Listener listener);

  // Fetches the capture's key; `opened` tells, after retries within the bound.
  void Open();
  // Seals and queues; before the capture's key is there it keeps the symbol locked. The symbol is read once; the
  // caller overwrites its own copy.
  void Send(const char* symbol, uint32_t onset);
  // The leg has gone: what is queued is still delivered, nobody is told.
  void Detach() { listener_ = {}; }
  bool idle() const { return queue_.empty(); }

 private:
  KeySender(CaptureRef capture, KeySenderLimits limits, std::shared_ptr<VaultLink> link, Random& random, const Clock& clock,
            Listener listener)
      : capture_(std::move(capture)), limits_(limits), link_(std::move(link)), random_(random), clock_(clock),
        listener_(std::move(listener)) {}
  struct Waiting {
    VaultLink::SealedKey key;
    int64_t since = 0;
  };
  struct Early {
    secret::Secret<char> symbol;
    uint32_t onset = 0;
  };
  void Seal(const secret::Secret<char>& symbol, uint32_t onset);
  void EndOpening(const absl::Status& status);
  absl::Duration Age(int64_t since) const { return absl::Nanoseconds(clock_.MonotonicNanos() - since); }
  void OnOpened(const absl::Status& status, const VaultLink::CaptureKey& key);
  void Next();
  void OnSubmitted(const absl::Status& status);
  void DropFront(const absl::Status& why);
  void Lost(uint32_t onset, const absl::Status& why);
  absl::Duration NextDelay();

  const CaptureRef capture_;
  const KeySenderLimits limits_;
  const std::shared_ptr<VaultLink> link_;
  Random& random_;
  const Clock& clock_;
  Listener listener_;
  crypto::PublicKey public_key_{};
  bool open_ = false;
  std::deque<Early> early_;   // until the capture's key is here
  uint64_t early_lost_ = 0;   // pressed behind those
  absl::Status dead_;         // the vault will never take a key of this sender again
  int64_t opening_since_ = 0;
  uint64_t next_ordinal_ = 1;
  std::deque<Waiting> queue_;
  bool in_flight_ = false;
  absl::Duration delay_;
};

}  // namespace flattone::masking
