// What a capture collects and by which limits. Pure values; the gRPC room fills them from a request.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/card/brand.h"

namespace flattone::vault {

enum class Field { kPan, kExpiry, kSecurityCode, kPostcode };

enum class Problem {
  kNone,
  kTooShort,
  kTooLong,
  kCheckDigit,
  kBrandNotAccepted,
  kNotADate,
  kExpired,
  kTimedOut,
  kKeyLost,
  kMaskerChanged,
  kClearedByCaller,
  kRestarted,
};

struct FieldRule {
  Field field = Field::kPan;
  absl::Duration timeout = absl::Seconds(60);
  int length = 0;  // postcode only; 0: ends with '#' or Submit
};

struct Rules {
  std::vector<FieldRule> fields;
  std::vector<card::Brand> accepted_brands;  // empty: all
  int card_tries = 3;
  absl::Duration length_pause = absl::Seconds(4);
  absl::Duration timeout = absl::Minutes(10);
  // The first field collects at once, each other one when RestartField names it.
  bool one_by_one = false;
  // Of a card whose number is kept and not asked for; kUnknown is one too.
  std::optional<card::Brand> kept_brand;
  // After a lost key or a change of masker the caller is still typing the number from its middle. Keys count
  // again after this much quiet, or when the caller presses '*' or the agent restarts the field: else the
  // tail of one typing and the head of the next could make a number that passes its check digit.
  absl::Duration settle = absl::Seconds(2);

  bool Accepts(card::Brand brand) const;
};

// INVALID_ARGUMENT naming the field of the request that is out of its limits.
absl::Status ValidateRules(const Rules& rules);

// "pan", "expiry", "security_code", "postcode".
std::string_view FieldName(Field field);

// A point in time on both clocks: the wall's for dates, the monotonic one for time-outs.
struct Moment {
  absl::Time wall;
  int64_t nanos = 0;
};

}  // namespace flattone::vault
