// The expiry date of a card, typed as MMYY. Good through the last day of its month, anywhere on earth.
#pragma once

#include <optional>
#include <string_view>

#include "absl/time/time.h"
#include "libs/secret/secret.h"

namespace flattone::card {

struct ExpiryText {
  int month = 0;  // 1-12
  int year = 0;   // two digits
};
// A card's date in locked memory: encrypted with the number at rest, never in an event.
using ExpiryDate = secret::Secret<ExpiryText>;

enum class ExpiryCheck { kGood, kIncomplete, kNoSuchMonth, kExpired, kTooFar };

// Four digits MMYY at time `now`. A card is valid until the last moment of its month in the zone furthest
// west (UTC-12); more than 20 years ahead is a typing mistake.
ExpiryCheck CheckExpiry(std::string_view mmyy, absl::Time now);

// nullopt unless it is four digits with a month of 1 to 12.
std::optional<ExpiryText> ParseExpiry(std::string_view mmyy);

}  // namespace flattone::card
