// What may be told of a running capture: counts, brand, validity, bullets. Never a digit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "services/tokenisation-vault/capture/rules.h"

namespace flattone::vault {

enum class FieldState { kWaiting, kCollecting, kComplete, kInvalid };
enum class CaptureState { kCollecting, kComplete, kTokenised, kCancelled, kExpired, kFailed };

inline bool IsFinal(CaptureState state) { return state >= CaptureState::kTokenised; }

struct FieldProgress {
  Field field = Field::kPan;
  FieldState state = FieldState::kWaiting;
  int count = 0;
  int expected = 0;  // 0 while several lengths are possible
  std::string masked;
  std::optional<card::Brand> brand;  // of the number only, once its first digits tell; kUnknown: valid, but of no known brand
  Problem problem = Problem::kNone;
};

struct Progress {
  CaptureState state = CaptureState::kCollecting;
  uint64_t revision = 0;
  std::vector<FieldProgress> fields;
  std::optional<Field> current;
  uint32_t extra_keys = 0;
  uint32_t card_tries_used = 0;
};

// "•••• •••• ••": `count` bullets grouped as a card of that brand is printed; other fields in one group.
std::string Bullets(Field field, card::Brand brand, int count);

}  // namespace flattone::vault
