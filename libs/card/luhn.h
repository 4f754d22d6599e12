// The check digit of card numbers (ISO/IEC 7812-1, annex B).
#pragma once

#include <string_view>

namespace flattone::card {

// Whether `digits` (ASCII, at least two) end in the right check digit. Its time depends on the length only:
// no table lookup and no branch on a digit.
bool LuhnValid(std::string_view digits);

// The check digit that makes `digits` + it valid; for test cards and sandboxes.
char LuhnDigit(std::string_view digits);

}  // namespace flattone::card
