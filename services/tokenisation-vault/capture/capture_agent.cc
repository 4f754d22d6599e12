// What the agent may do: restart, undo and submit a field, each with the count that the agent saw.
#include "services/tokenisation-vault/capture/capture.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/tokenisation-vault/capture/refusal.h"

namespace flattone::vault {

using secret::ClearCardAccess;

absl::StatusOr<Capture::Slot*> Capture::Matching(Field field, int expected_count) {
  if (auto status = Running(); !status.ok()) return status;
  Slot* slot = SlotOf(field);
  if (slot == nullptr) {
    return InvalidField("field", absl::StrCat("is ", std::string(FieldName(field))), "a field that this capture collects");
  }
  if (static_cast<int>(slot->digits.size()) != expected_count) {
    return CaptureRefusal("field_mismatch", absl::StrCat("field ", std::string(FieldName(field)), " has ", slot->digits.size(),
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
      return CaptureRefusal("card_tries_used", absl::StrCat("all ", rules_.card_tries, " card numbers of this capture were begun"),
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
    return CaptureRefusal("field_mismatch", absl::StrCat("field ", std::string(FieldName(field)), " is not collecting"), "field",
                  "restart the field");
  }
  if ((*slot)->digits.empty()) return CaptureRefusal("field_empty", "the field has no key to take back", "field");
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
    return CaptureRefusal("field_mismatch", absl::StrCat("field ", std::string(FieldName(field)), " is not collecting"), "field",
                  "restart the field");
  }
  if ((*slot)->digits.empty()) return CaptureRefusal("field_empty", "the field has no key yet", "field");
  const std::string_view digits = (*slot)->digits.RevealText(ClearCardAccess("judge a field"));
  Settle(**slot, AtEnd(JudgeOf(**slot, now.wall), digits), now);
  return absl::OkStatus();
}

}  // namespace flattone::vault
