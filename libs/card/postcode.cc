#include "libs/card/postcode.h"

namespace flattone::card {

bool PostcodeValid(std::string_view digits) {
  const int count = static_cast<int>(digits.size());
  bool all = true;
  for (char digit : digits) all &= digit >= '0' && digit <= '9';
  return all && count >= kMinPostcodeDigits && count <= kMaxPostcodeDigits;
}

}  // namespace flattone::card
