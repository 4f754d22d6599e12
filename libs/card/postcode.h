// The numeric part of a cardholder's postcode, as a keypad can give it (AVS compares the digits).
#pragma once

#include <string_view>

namespace flattone::card {

inline constexpr int kMinPostcodeDigits = 1;
inline constexpr int kMaxPostcodeDigits = 10;

// 1 to 10 digits.
bool PostcodeValid(std::string_view digits);

}  // namespace flattone::card
