// What is looked for: card numbers, expiry dates and codes, and the canary that proves that the look was real.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace flattone::memscan {

// So many consecutive digits of a card are a finding.
inline constexpr size_t kWindow = 7;
// As BCD so many: fewer are found in any process by chance (README.md has the figures). They begin at a byte, so a row that
// begins in the midst of one is found from one digit more; one that reads as text in ASCII, from two more.
inline constexpr size_t kBcdWindow = 10;

struct Wanted {
  struct Card {
    std::string number, expiry, code;  // digits; expiry and code may be empty
    // In the order in which they are typed.
    std::string Typed() const { return number + expiry + code; }
  };
  std::vector<Card> cards;
  std::string canary;  // digits; no card's
};

// Lines: `card NUMBER [MMYY [CODE]]` and `canary DIGITS` (at least 12). Messages name the line, never what stands there.
absl::StatusOr<Wanted> ParseWanted(std::string_view text);

// Seven digits that any memory holds by itself (0000000, 1234567, 4000000) prove nothing.
bool IsWeak(std::string_view window);

// Byte strings that give a card away in encodings that are not plain rows of digits: base64 in its three alignments,
// BCD (kBcdWindow digits), hexadecimal, groups of four, 64-bit integers, and
// the code where a label or a string's length stands beside it.
struct Pattern {
  std::string bytes;
  const char* encoding;
  int digits;
};
std::vector<Pattern> PatternsOf(const Wanted& wanted);

}  // namespace flattone::memscan
