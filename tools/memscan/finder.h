// Finds what is wanted in bytes, at memory speed: rows of digits (as characters or as values 0 to 9, one in each 1, 2,
// 4 or 8 bytes: ASCII, UTF-16, UTF-32, arrays of numbers) by one pass of counters, the other encodings by byte pairs.
#pragma once

#include <bitset>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tools/memscan/wanted.h"

namespace flattone::memscan {

// Never the digits themselves.
struct Finding {
  uint64_t offset = 0;
  std::string encoding;
  int digits = 0;  // so many digits in a row are the card's
};

struct Result {
  std::vector<Finding> findings;
  // Exactly seven digits that agree inside a longer number whose other digits do not: clocks and counters do that
  // by chance, about once in a million numbers.
  int64_t coincidences = 0;
  bool canary = false;
  uint64_t bytes = 0;
};

class Finder {
 public:
  explicit Finder(const Wanted& wanted);

  // Adds what lies in `bytes`, whose first byte has this offset. Pieces of one region are given with an overlap of
  // kOverlap; what lies in the overlap is reported once.
  void Look(std::span<const uint8_t> bytes, uint64_t offset, Result& result) const;
  static constexpr size_t kOverlap = 512;
  static constexpr size_t kMaxFindings = 200;  // of one result; a dump of a whole card is many

 private:
  void LookForDigits(std::span<const uint8_t> bytes, uint64_t offset, Result& result) const;
  void LookForPatterns(std::span<const uint8_t> bytes, uint64_t offset, Result& result) const;
  void Judge(std::span<const uint8_t> bytes, size_t last, size_t stride, bool text, uint64_t offset, Result& result) const;

  std::vector<std::string> typed_;
  std::string canary_;
  std::unique_ptr<std::bitset<10000000>> windows_;
  std::vector<Pattern> patterns_;
  std::vector<size_t> anchor_;                  // of each pattern: where its rarest pair of bytes lies
  std::vector<std::vector<uint32_t>> by_pair_;  // patterns by that pair
  std::bitset<65536> pairs_;                    // which pairs have any: small enough for the nearest cache
};

}  // namespace flattone::memscan
