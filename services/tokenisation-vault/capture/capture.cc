#include "services/tokenisation-vault/capture/capture.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/tokenisation-vault/capture/refusal.h"

namespace flattone::vault {
namespace {

using secret::ClearCardAccess;
using secret::SecretBytes;

constexpr absl::Duration kCodeLifetime = absl::Minutes(10);

int64_t Nanos(absl::Duration duration) { return absl::ToInt64Nanoseconds(duration); }

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

absl::Status Capture::Running() const {
  if (!IsFinal(state_) && !collected_) return absl::OkStatus();
  return CaptureRefusal("capture_ended", "the capture has ended", {}, "open a new capture");
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
  if (rules_.kept_brand.has_value()) return rules_.kept_brand;
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
    return CaptureRefusal("capture_incomplete", absl::StrCat("field ", std::string(FieldName(slot.rule.field)), " is not complete"),
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
