// When a field ends, and whether what it holds can be used: the only place that looks at the digits of a
// capture. Pure functions of the digits so far.
#pragma once

#include <optional>
#include <string_view>

#include "services/tokenisation-vault/capture/rules.h"

namespace flattone::vault {

struct Verdict {
  bool ended = false;                // the field takes no further key
  Problem problem = Problem::kNone;  // with ended: why it cannot be used
};

// What the digits of one field are judged by.
struct Judge {
  const Rules& rules;
  const FieldRule& rule;
  // Of the card number, where it is complete; a security code's length follows from it.
  std::optional<card::Brand> brand;
  absl::Time now;
};

// After a digit was added: fixed lengths end by themselves, a brand that is not accepted ends at once.
Verdict AfterDigit(const Judge& judge, std::string_view digits);
// '#' or Submit: ended in any case.
Verdict AtEnd(const Judge& judge, std::string_view digits);
// No key for the pause: ends a number that is as long as its brand allows and whose check digit is right; a
// wrong check digit ends it only from 16 digits on, since a caller may rest after 13 of 16.
Verdict AtPause(const Judge& judge, std::string_view digits);

// The length at which the field ends by itself; 0 while several are possible.
int ExpectedLength(const Judge& judge, std::string_view digits);
// The most digits that a field may hold.
int LongestLength(Field field);

}  // namespace flattone::vault
