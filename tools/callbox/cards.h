// Test cards. They come from a file or standard input, or are made up; never from the command line, which every user
// of the machine can read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace flattone::call {

struct Card {
  std::string number, expiry, code, postcode;  // digits; MMYY
};

// The digit that makes `number` followed by it pass Luhn's check (ISO/IEC 7812-1).
char CheckDigit(std::string_view number);

// A card of `length` digits that begins with `prefix`, the rest by seed; another for each index.
Card MakeCard(std::string_view prefix, int length, uint64_t seed, uint64_t index);

// One card per line: NUMBER MMYY CODE [POSTCODE]. Messages name line and word, never what stands there.
absl::StatusOr<std::vector<Card>> ParseCards(std::string_view text);

// The keys that type it: fields in order, each ended by '#' if asked for.
std::vector<std::string> FieldKeys(const Card& card, bool end_with_hash);

}  // namespace flattone::call
