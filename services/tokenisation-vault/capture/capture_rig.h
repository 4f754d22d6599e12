// A capture and the masker that feeds it, with a fake clock: for the tests of this room.
#pragma once

#include <string>

#include "libs/base/error.h"
#include "libs/card/luhn.h"
#include "libs/secret/arena.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"
#include "services/tokenisation-vault/capture/capture.h"

namespace flattone::vault {

inline const secret::ClearCardAccess kTest("a test looks at its own bytes");

inline std::string Number(std::string prefix, size_t length) {
  while (prefix.size() + 1 < length) prefix.push_back(static_cast<char>('0' + prefix.size() % 10));
  return prefix + card::LuhnDigit(prefix);
}
inline std::string Spoilt(std::string number) {
  number.back() = number.back() == '9' ? '0' : static_cast<char>(number.back() + 1);
  return number;
}

// A capture and the masker that feeds it.
struct Rig {
  explicit Rig(Rules rules = Standard()) {
    auto opened = Capture::Open({"ten_a", "cap_a", "ses_a"}, std::move(rules), random, now());
    REQUIRE(opened.ok());
    capture = std::move(*opened);
    REQUIRE(capture->BeginEpoch(epoch, now()).ok());
  }
  static Rules Standard() {
    Rules rules;
    rules.fields = {{Field::kPan}, {Field::kExpiry}, {Field::kSecurityCode}};
    return rules;
  }
  Moment now() const { return {clock.Now(), clock.MonotonicNanos()}; }

  std::string Seal(char symbol, uint32_t with_epoch, uint64_t with_ordinal, uint32_t onset) {
    auto secret = secret::Secret<char>::Create();
    secret->Update(kTest) = symbol;
    return *crypto::SealKeyPress(random, capture->public_key(), {"ten_a", "cap_a", with_epoch, with_ordinal, onset}, *secret);
  }
  absl::StatusOr<KeyOutcome> Send(uint64_t with_ordinal, const std::string& sealed) {
    return capture->TakeKey({epoch, with_ordinal, 160 * static_cast<uint32_t>(with_ordinal), sealed}, now());
  }
  absl::StatusOr<KeyOutcome> Press(char symbol) {
    ++ordinal;
    return Send(ordinal, Seal(symbol, epoch, ordinal, 160 * static_cast<uint32_t>(ordinal)));
  }
  void Type(const std::string& text) {
    for (char symbol : text) {
      clock.Advance(absl::Milliseconds(250));
      REQUIRE(Press(symbol).ok());
    }
  }
  void Wait(absl::Duration time) {
    for (absl::Duration left = time; left > absl::ZeroDuration(); left -= absl::Milliseconds(100)) {
      clock.Advance(absl::Milliseconds(100));
      capture->Tick(now());
    }
  }
  FieldProgress Of(Field field) const {
    for (const auto& each : capture->progress().fields) {
      if (each.field == field) return each;
    }
    return {};
  }
  Progress progress() const { return capture->progress(); }

  testing::FakeClock clock;
  testing::SeededRandom random{42};
  std::unique_ptr<Capture> capture;
  uint32_t epoch = 1;
  uint64_t ordinal = 0;
};

inline std::string CodeOf(const absl::Status& status) {
  const auto detail = DetailOf(status);
  return detail.has_value() ? detail->code : "";
}

}  // namespace flattone::vault
