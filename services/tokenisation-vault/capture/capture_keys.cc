// How keys come in: their epoch and order, what a lost one does, and into which field a digit goes.
#include "services/tokenisation-vault/capture/capture.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/card/key_press.h"
#include "services/tokenisation-vault/capture/refusal.h"

namespace flattone::vault {

using secret::ClearCardAccess;

absl::StatusOr<uint64_t> Capture::BeginEpoch(uint32_t epoch, Moment now) {
  if (epoch == 0) return InvalidField("masker_epoch", "is 0", "from 1");
  if (auto status = Running(); !status.ok()) return status;
  if (!sequence_.MayBegin(epoch)) {
    return CaptureRefusal("epoch_stale", absl::StrCat("masker epoch ", epoch, " is not above ", sequence_.epoch()), "masker_epoch");
  }
  if (sequence_.Begin(epoch)) Interrupted(Problem::kMaskerChanged, now);
  return sequence_.next();
}

absl::StatusOr<KeyOutcome> Capture::TakeKey(const SealedKey& key, Moment now) {
  if (key.epoch == 0) return InvalidField("masker_epoch", "is 0", "from 1");
  if (key.ordinal == 0) return InvalidField("ordinal", "is 0", "from 1");
  KeyOutcome outcome;
  outcome.arrival = sequence_.Classify(key.epoch, key.ordinal);
  outcome.next_ordinal = sequence_.next();
  if (outcome.arrival == Arrival::kRepeat) return outcome;
  if (outcome.arrival == Arrival::kStaleEpoch) {
    return CaptureRefusal("epoch_stale", absl::StrCat("masker epoch ", key.epoch, " was replaced by ", sequence_.epoch()), "masker_epoch");
  }
  if (IsFinal(state_)) {  // people go on typing: counted, not opened
    if (outcome.arrival == Arrival::kNewEpoch) sequence_.Begin(key.epoch);
    sequence_.Accept(key.ordinal);
    outcome.next_ordinal = sequence_.next();
    ++extra_keys_;
    return outcome;
  }
  const crypto::KeyPressContext context{identity_.tenant, identity_.capture, key.epoch, key.ordinal, key.onset};
  auto symbol = crypto::OpenKeyPress(*key_, context, key.sealed);
  if (!symbol.ok()) {
    if (symbol.status().code() == absl::StatusCode::kResourceExhausted) return symbol.status();
    return Refusal(absl::StatusCode::kInvalidArgument, {.code = "key_not_authentic", .field = "sealed_key"},
                   absl::StrCat("key ", key.ordinal, " of epoch ", key.epoch, " was altered or sealed for something else"));
  }
  const bool took_over = outcome.arrival == Arrival::kNewEpoch && sequence_.Begin(key.epoch);
  const bool lost = key.ordinal != sequence_.next();
  sequence_.Accept(key.ordinal);
  outcome.next_ordinal = sequence_.next();
  if (took_over) Interrupted(Problem::kMaskerChanged, now);
  if (lost) Interrupted(Problem::kKeyLost, now);
  Apply(symbol->Reveal(ClearCardAccess("put a key into its field")), now, outcome);
  return outcome;
}

// Something was not heard: what the field holds cannot be trusted.
void Capture::Interrupted(Problem why, Moment now) {
  Slot* slot = Current();
  if (IsFinal(state_) || slot == nullptr || slot->state != FieldState::kCollecting) return;
  const bool typing = !slot->digits.empty() || settle_until_ > now.nanos || why == Problem::kKeyLost;
  StartField(*slot, why, now);
  if (slot->rule.field == Field::kPan && card_counted_) {
    card_counted_ = false;  // not the caller's doing: not a try
    if (card_tries_ > 0) --card_tries_;
  }
  if (typing) settle_until_ = now.nanos + absl::ToInt64Nanoseconds(rules_.settle);
}

void Capture::Apply(char symbol, Moment now, KeyOutcome& outcome) {
  Slot* slot = Current();
  if (IsFinal(state_) || collected_ || slot == nullptr) {
    ++extra_keys_;
    return Changed();
  }
  if (symbol == '*') {
    const bool invalid_pan = slot->rule.field == Field::kPan && slot->state == FieldState::kInvalid;
    if (invalid_pan) card_counted_ = false;
    StartField(*slot, Problem::kClearedByCaller, now);
    outcome.taken = true;
    return;
  }
  if (symbol == '#') {
    // Many callers press it after a field that has already ended: then it means nothing.
    if (slot->state != FieldState::kCollecting || slot->digits.empty() || now.nanos < settle_until_) return;
    outcome.taken = true;
    return Settle(*slot, AtEnd(JudgeOf(*slot, now.wall), slot->digits.RevealText(ClearCardAccess("judge a field"))), now);
  }
  if (!card::IsDigit(symbol) || slot->state != FieldState::kCollecting) {
    ++extra_keys_;
    return Changed();
  }
  ApplyDigit(symbol, now, outcome);
}

void Capture::ApplyDigit(char symbol, Moment now, KeyOutcome& outcome) {
  Slot& slot = *Current();
  if (now.nanos < settle_until_) {
    settle_until_ = now.nanos + absl::ToInt64Nanoseconds(rules_.settle);
    ++extra_keys_;
    return Changed();
  }
  if (!slot.digits.Append(std::string_view(&symbol, 1))) {
    ++extra_keys_;
    return Changed();
  }
  outcome.taken = true;
  slot.last_nanos = now.nanos;
  slot.problem = Problem::kNone;
  const std::string_view digits = slot.digits.RevealText(ClearCardAccess("judge a field"));
  if (slot.rule.field == Field::kPan) {
    if (!card_counted_) ++card_tries_;
    card_counted_ = true;
    const card::Brand brand = card::BrandOf(digits).brand;
    if (brand != card::Brand::kUnknown) slot.brand = brand;
  }
  Settle(slot, AfterDigit(JudgeOf(slot, now.wall), digits), now);
}

}  // namespace flattone::vault
