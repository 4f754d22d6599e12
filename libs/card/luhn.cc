#include "libs/card/luhn.h"

#include <cstdint>

namespace flattone::card {
namespace {

// The sum of the digits, every second one doubled, counted from the right; the rightmost is doubled when asked.
uint32_t Sum(std::string_view digits, bool double_last) {
  uint32_t sum = 0;
  uint32_t twice = double_last ? 1 : 0;
  for (size_t i = digits.size(); i-- > 0;) {
    const uint32_t digit = static_cast<uint32_t>(digits[i] - '0');
    const uint32_t value = digit << twice;
    const uint32_t over = (9 - value) >> 31;  // 1 when value is above 9
    sum += value - 9 * over;
    twice ^= 1;
  }
  return sum;
}

}  // namespace

bool LuhnValid(std::string_view digits) { return digits.size() >= 2 && Sum(digits, false) % 10 == 0; }

char LuhnDigit(std::string_view digits) { return static_cast<char>('0' + (10 - Sum(digits, true) % 10) % 10); }

}  // namespace flattone::card
