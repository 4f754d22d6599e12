#include "services/tokenisation-vault/capture/capture.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/card/key_press.h"

namespace flattone::vault {
namespace {

using secret::ClearCardAccess;
using secret::SecretBytes;

constexpr absl::Duration kCodeLifetime = absl::Minutes(10);

int64_t Nanos(absl::Duration duration) { return absl::ToInt64Nanoseconds(duration); }

absl::Status Failed(std::string_view code, std::string_view message, std::string_view field = {}, std::string_view fix = {}) {
  return Refusal(absl::StatusCode::kFailedPrecondition,
                 {.code = std::string(code), .field = std::string(field), .limit = {}, .fix = std::string(fix)}, message);
}

int CountOf(const SecretBytes& digits) { return static_cast<int>(digits.size()); }

}  // namespace

absl::StatusOr<std::unique_ptr<Capture>> Capture::Open(CaptureIdentity identity, Rules rules, Random& random, Moment now) {
  if (auto status = ValidateRules(rules); !status.ok()) return status;
  auto key = crypto::X25519KeyPair::Create(random);
  if (!key.ok()) return key.status();
  std::unique_ptr<Capture> capture(new Capture(std::move(identity), std::move(rules), std::move(*key), now));
  for (const FieldRule& rule : capture->rules_.fields) {
    auto digits = SecretBytes::Create(static_cast<size_t>(LongestLength(rule.field)));
    if (!digits.ok()) return digits.status();
    Slot slot;
    slot.rule = rule;
    slot.digits = std::move(*digits);
    capture->slots_.push_back(std::move(slot));
  }
  capture->StartField(capture->slots_.front(), Problem::kNone, now);
  return capture;
}

Capture::Capture(CaptureIdentity identity, Rules rules, crypto::X25519KeyPair key, Moment now)
    : identity_(std::move(identity)),
      rules_(std::move(rules)),
      key_(std::move(key)),
      public_key_(key_->public_key()),
      deadline_(now.nanos + Nanos(rules_.timeout)),
      opened_(now.wall) {}

// --- keys ---------------------------------------------------------------------------------------------

absl::StatusOr<uint64_t> Capture::BeginEpoch(uint32_t epoch, Moment now) {
  if (epoch == 0) return InvalidField("masker_epoch", "is 0", "from 1");
  if (auto status = Running(); !status.ok()) return status;
  if (!sequence_.MayBegin(epoch)) {
    return Failed("epoch_stale", absl::StrCat("masker epoch ", epoch, " is not above ", sequence_.epoch()), "masker_epoch");
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
    return Failed("epoch_stale", absl::StrCat("masker epoch ", key.epoch, " was replaced by ", sequence_.epoch()), "masker_epoch");
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
  if (typing) settle_until_ = now.nanos + Nanos(rules_.settle);
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
    settle_until_ = now.nanos + Nanos(rules_.settle);
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

// --- fields -------------------------------------------------------------------------------------------

void Capture::Settle(Slot& slot, Verdict verdict, Moment now) {
  Changed();
  if (!verdict.ended) return;
  slot.problem = verdict.problem;
  if (verdict.problem == Problem::kNone) return AfterComplete(slot, now);
  slot.state = FieldState::kInvalid;
  const bool last_try = card_tries_ >= static_cast<uint32_t>(rules_.card_tries);
  if (slot.rule.field == Field::kPan && last_try) End(CaptureState::kFailed);
}

void Capture::AfterComplete(Slot& slot, Moment now) {
  slot.state = FieldState::kComplete;
  if (slot.rule.field == Field::kSecurityCode) code_typed_ = now.nanos;
  if (slot.rule.field == Field::kPan) {
    slot.brand = card::BrandOf(slot.digits.RevealText(ClearCardAccess("brand of the finished number"))).brand;
    CheckSecurityCodeAgainstBrand();
  }
  AdvanceFrom(slot, now);
}

// A code typed before its number, or kept while the number was restarted, may be of another brand's length.
void Capture::CheckSecurityCodeAgainstBrand() {
  Slot* code = SlotOf(Field::kSecurityCode);
  if (code == nullptr || code->state != FieldState::kComplete) return;
  const Verdict verdict = AtEnd(JudgeOf(*code, opened_), code->digits.RevealText(ClearCardAccess("judge a field")));
  if (verdict.problem == Problem::kNone) return;
  Clear(*code);
  code->state = FieldState::kWaiting;
  code->problem = verdict.problem;
}

void Capture::AdvanceFrom(const Slot& slot, Moment now) {
  current_ = -1;
  Slot* next = nullptr;
  for (Slot& each : slots_) {
    if (each.state != FieldState::kComplete && next == nullptr) next = &each;
  }
  if (next == nullptr) {
    state_ = CaptureState::kComplete;
  } else if (!rules_.one_by_one) {
    StartField(*next, next->problem, now);
  }
}

void Capture::StartField(Slot& slot, Problem why, Moment now) {
  if (Slot* left = Current(); left != nullptr && left != &slot && left->state == FieldState::kCollecting) {
    Clear(*left);
    left->state = FieldState::kWaiting;
  }
  Clear(slot);
  slot.state = FieldState::kCollecting;
  slot.problem = why;
  slot.last_nanos = now.nanos;
  current_ = static_cast<int>(&slot - slots_.data());
  settle_until_ = 0;
  state_ = CaptureState::kCollecting;
  Changed();
}

void Capture::Clear(Slot& slot) {
  slot.digits.Wipe();
  slot.brand.reset();
  slot.problem = Problem::kNone;
}

void Capture::KeepCounts() {
  for (Slot& slot : slots_) {
    if (slot.kept_count < 0) slot.kept_count = CountOf(slot.digits);
  }
}

void Capture::End(CaptureState state) {
  KeepCounts();
  for (Slot& slot : slots_) slot.digits.Wipe();
  key_.reset();
  current_ = -1;
  state_ = state;
  Changed();
}

// --- the agent's actions --------------------------------------------------------------------------------

absl::Status Capture::Running() const {
  if (!IsFinal(state_) && !collected_) return absl::OkStatus();
  return Failed("capture_ended", "the capture has ended", {}, "open a new capture");
}

absl::StatusOr<Capture::Slot*> Capture::Matching(Field field, int expected_count) {
  if (auto status = Running(); !status.ok()) return status;
  Slot* slot = SlotOf(field);
  if (slot == nullptr) {
    return InvalidField("field", absl::StrCat("is ", std::string(FieldName(field))), "a field that this capture collects");
  }
  if (CountOf(slot->digits) != expected_count) {
    return Failed("field_mismatch", absl::StrCat("field ", std::string(FieldName(field)), " has ", slot->digits.size(),
                                                 " keys, not ", expected_count),
                  "expected_count", "read the progress again and repeat with its count");
  }
  return slot;
}

absl::Status Capture::RestartField(Field field, int expected_count, Moment now) {
  auto slot = Matching(field, expected_count);
  if (!slot.ok()) return slot.status();
  if (field == Field::kPan && card_counted_) {
    if (card_tries_ >= static_cast<uint32_t>(rules_.card_tries)) {
      return Failed("card_tries_used", absl::StrCat("all ", rules_.card_tries, " card numbers of this capture were begun"),
                    "field", "open a new capture");
    }
    card_counted_ = false;
  }
  const bool begun = !(*slot)->digits.empty() || (*slot)->state != FieldState::kWaiting;
  StartField(**slot, begun ? Problem::kRestarted : Problem::kNone, now);
  return absl::OkStatus();
}

absl::Status Capture::UndoKey(Field field, int expected_count, Moment now) {
  auto slot = Matching(field, expected_count);
  if (!slot.ok()) return slot.status();
  if ((*slot)->state != FieldState::kCollecting) {
    return Failed("field_mismatch", absl::StrCat("field ", std::string(FieldName(field)), " is not collecting"), "field",
                  "restart the field");
  }
  if ((*slot)->digits.empty()) return Failed("field_empty", "the field has no key to take back", "field");
  static_cast<void>((*slot)->digits.Resize((*slot)->digits.size() - 1));
  if (field == Field::kPan) {
    const auto brand = card::BrandOf((*slot)->digits.RevealText(ClearCardAccess("brand after a key was taken back"))).brand;
    (*slot)->brand = brand == card::Brand::kUnknown ? std::nullopt : std::optional<card::Brand>(brand);
  }
  (*slot)->last_nanos = now.nanos;
  Changed();
  return absl::OkStatus();
}

absl::Status Capture::SubmitField(Field field, int expected_count, Moment now) {
  auto slot = Matching(field, expected_count);
  if (!slot.ok()) return slot.status();
  if ((*slot)->state == FieldState::kComplete) return absl::OkStatus();
  if ((*slot)->state != FieldState::kCollecting) {
    return Failed("field_mismatch", absl::StrCat("field ", std::string(FieldName(field)), " is not collecting"), "field",
                  "restart the field");
  }
  if ((*slot)->digits.empty()) return Failed("field_empty", "the field has no key yet", "field");
  const std::string_view digits = (*slot)->digits.RevealText(ClearCardAccess("judge a field"));
  Settle(**slot, AtEnd(JudgeOf(**slot, now.wall), digits), now);
  return absl::OkStatus();
}

void Capture::Cancel() {
  if (!IsFinal(state_)) End(CaptureState::kCancelled);
}

// --- time -----------------------------------------------------------------------------------------------

void Capture::Tick(Moment now) {
  if (IsFinal(state_) || collected_) return;
  if (now.nanos >= deadline_) return End(CaptureState::kExpired);
  Slot* slot = Current();
  if (slot == nullptr || slot->state != FieldState::kCollecting) return;
  const int64_t quiet = now.nanos - slot->last_nanos;
  if (quiet >= Nanos(slot->rule.timeout)) return Settle(*slot, {true, Problem::kTimedOut}, now);
  if (slot->digits.empty() || quiet < Nanos(rules_.length_pause)) return;
  const std::string_view digits = slot->digits.RevealText(ClearCardAccess("judge a field"));
  const Verdict verdict = AtPause(JudgeOf(*slot, now.wall), digits);
  if (verdict.ended) Settle(*slot, verdict, now);
}

// --- out ------------------------------------------------------------------------------------------------

Judge Capture::JudgeOf(const Slot& slot, absl::Time wall) const { return {rules_, slot.rule, CompleteBrand(), wall}; }

Capture::Slot* Capture::SlotOf(Field field) {
  for (Slot& slot : slots_) {
    if (slot.rule.field == field) return &slot;
  }
  return nullptr;
}

std::optional<card::Brand> Capture::CompleteBrand() const {
  for (const Slot& slot : slots_) {
    if (slot.rule.field == Field::kPan && slot.state == FieldState::kComplete) return slot.brand;
  }
  return std::nullopt;
}

Progress Capture::progress() const {
  Progress out;
  out.state = state_;
  out.revision = revision_;
  out.extra_keys = extra_keys_;
  out.card_tries_used = card_tries_;
  if (current_ >= 0) out.current = slots_[static_cast<size_t>(current_)].rule.field;
  for (const Slot& slot : slots_) {
    FieldProgress field;
    field.field = slot.rule.field;
    field.state = slot.state;
    field.count = slot.kept_count >= 0 ? slot.kept_count : CountOf(slot.digits);
    field.problem = slot.problem;
    field.expected = slot.kept_count >= 0 || slot.state == FieldState::kComplete
                         ? field.count
                         : ExpectedLength(JudgeOf(slot, opened_), slot.digits.RevealText(ClearCardAccess("expected length")));
    field.masked = Bullets(field.field, slot.brand.value_or(card::Brand::kUnknown), field.count);
    field.brand = slot.brand;
    out.fields.push_back(std::move(field));
  }
  return out;
}

absl::StatusOr<CollectedCard> Capture::Collect(Moment now) {
  Tick(now);
  if (auto status = Running(); !status.ok()) return status;
  for (const Slot& slot : slots_) {
    if (slot.state == FieldState::kComplete) continue;
    return Failed("capture_incomplete", absl::StrCat("field ", std::string(FieldName(slot.rule.field)), " is not complete"),
                  FieldName(slot.rule.field), "wait until it is, or restart it");
  }
  CollectedCard card;
  KeepCounts();
  SecretBytes* const places[] = {&card.pan, &card.expiry, &card.security_code, &card.postcode};
  for (Slot& slot : slots_) *places[static_cast<int>(slot.rule.field)] = std::move(slot.digits);
  card.code_deadline_nanos = code_typed_ + Nanos(kCodeLifetime);
  collected_ = true;
  return card;
}

void Capture::Finish() { End(CaptureState::kTokenised); }

void Capture::GiveBack(CollectedCard card) {
  collected_ = false;
  if (IsFinal(state_)) return;
  SecretBytes* const places[] = {&card.pan, &card.expiry, &card.security_code, &card.postcode};
  for (Slot& slot : slots_) {
    slot.digits = std::move(*places[static_cast<int>(slot.rule.field)]);
    slot.kept_count = -1;
  }
}

}  // namespace flattone::vault
