// One secure capture: keys come in sealed, fields fill, masked progress comes out, and at the end a whole card
// is taken from it. Pure: (moment, input) → new state; no clock, no thread, no I/O.
//
//   auto capture = Capture::Open(identity, rules, random, now);   // reserves all its locked memory
//   (*capture)->BeginEpoch(1, now);                               // a masker fetches the public key
//   (*capture)->TakeKey(sealed_key, now);                         // again and again
//   (*capture)->Tick(now);                                        // a few times a second: pauses and time-outs
//   (*capture)->Collect(now);                                     // when progress().state is kComplete
//
// Not thread-safe: its owner holds a lock.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/random.h"
#include "libs/crypto/capture_key.h"
#include "libs/secret/bytes.h"
#include "services/tokenisation-vault/capture/progress.h"
#include "services/tokenisation-vault/capture/sequence.h"
#include "services/tokenisation-vault/capture/verdict.h"

namespace flattone::vault {

struct CaptureIdentity {
  std::string tenant;
  std::string capture;
  std::string session;
  std::string kept_token = {};  // whose card stays but for the fields that are asked for; empty: a whole card is collected
};

struct SealedKey {
  uint32_t epoch = 0;
  uint64_t ordinal = 0;
  uint32_t onset = 0;
  std::string_view sealed;
};

struct KeyOutcome {
  Arrival arrival = Arrival::kNext;
  bool taken = false;         // it changed a field
  uint64_t next_ordinal = 1;  // expected next
};

// The digits of each field that was asked for; empty where it was not.
struct CollectedCard {
  secret::SecretBytes pan;
  secret::SecretBytes expiry;  // MMYY
  secret::SecretBytes security_code;
  secret::SecretBytes postcode;
  int64_t code_deadline_nanos = 0;  // ten minutes after the code was typed
};

class Capture {
 public:
  // INVALID_ARGUMENT for bad rules, RESOURCE_EXHAUSTED without locked memory.
  static absl::StatusOr<std::unique_ptr<Capture>> Open(CaptureIdentity identity, Rules rules, Random& random, Moment now);

  const CaptureIdentity& identity() const { return identity_; }
  const crypto::PublicKey& public_key() const { return public_key_; }

  // A masker begins or takes over; gives the ordinal of its first key. FAILED_PRECONDITION "epoch_stale".
  absl::StatusOr<uint64_t> BeginEpoch(uint32_t epoch, Moment now);
  // FAILED_PRECONDITION "epoch_stale"; INVALID_ARGUMENT "key_not_authentic", and nothing changed.
  absl::StatusOr<KeyOutcome> TakeKey(const SealedKey& key, Moment now);

  // The agent's actions. FAILED_PRECONDITION "field_mismatch", "field_empty", "card_tries_used", "capture_ended";
  // INVALID_ARGUMENT for a field that the capture does not collect.
  absl::Status RestartField(Field field, int expected_count, Moment now);
  absl::Status UndoKey(Field field, int expected_count, Moment now);
  absl::Status SubmitField(Field field, int expected_count, Moment now);
  // Wipes everything; nothing changes once the capture has ended.
  void Cancel();

  // Ends what time ends: fields by pause or time-out, the capture by its own.
  void Tick(Moment now);

  Progress progress() const;
  uint64_t revision() const { return revision_; }
  CaptureState state() const { return state_; }
  // Between Collect and Finish or GiveBack: the card is on its way into the database.
  bool collected() const { return collected_; }

  // Moves the card out. FAILED_PRECONDITION "capture_incomplete" naming the first field that is missing,
  // "capture_ended". Then either Finish() (tokenised) or GiveBack() (could not be stored).
  absl::StatusOr<CollectedCard> Collect(Moment now);
  void Finish();
  void GiveBack(CollectedCard card);

 private:
  struct Slot {
    FieldRule rule;
    secret::SecretBytes digits;
    FieldState state = FieldState::kWaiting;
    Problem problem = Problem::kNone;
    int64_t last_nanos = 0;  // of the newest key, or of its start
    std::optional<card::Brand> brand;
    int kept_count = -1;  // what to show once the digits have left or were wiped
  };

  Capture(CaptureIdentity identity, Rules rules, crypto::X25519KeyPair key, Moment now);

  void Apply(char symbol, Moment now, KeyOutcome& outcome);
  void ApplyDigit(char symbol, Moment now, KeyOutcome& outcome);
  void Interrupted(Problem why, Moment now);
  void Settle(Slot& slot, Verdict verdict, Moment now);
  void AfterComplete(Slot& slot, Moment now);
  void CheckSecurityCodeAgainstBrand();
  void StartField(Slot& slot, Problem why, Moment now);
  void AdvanceFrom(const Slot& slot, Moment now);
  void Clear(Slot& slot);
  void End(CaptureState state);
  void KeepCounts();
  Judge JudgeOf(const Slot& slot, absl::Time wall) const;
  absl::Status Running() const;
  absl::StatusOr<Slot*> Matching(Field field, int expected_count);
  Slot* SlotOf(Field field);
  Slot* Current() { return current_ < 0 ? nullptr : &slots_[static_cast<size_t>(current_)]; }
  std::optional<card::Brand> CompleteBrand() const;
  void Changed() { ++revision_; }

  CaptureIdentity identity_;
  Rules rules_;
  std::optional<crypto::X25519KeyPair> key_;  // gone when the capture has ended
  crypto::PublicKey public_key_;
  std::vector<Slot> slots_;
  int current_ = -1;
  CaptureState state_ = CaptureState::kCollecting;
  bool collected_ = false;
  KeySequence sequence_;
  uint64_t revision_ = 1;
  uint32_t extra_keys_ = 0;
  uint32_t card_tries_ = 0;
  bool card_counted_ = false;  // the number now in its field has been counted as a try
  int64_t settle_until_ = 0;
  int64_t deadline_;
  int64_t code_typed_ = 0;
  absl::Time opened_;
};

}  // namespace flattone::vault
