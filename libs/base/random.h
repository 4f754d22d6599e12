// Randomness comes in by constructor. Production passes SystemRandom(), tests pass testing::SeededRandom.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace flattone {

class Random {
 public:
  virtual ~Random() = default;
  // Fills the whole span with bytes fit for keys. Any thread.
  virtual void Fill(std::span<uint8_t> out) = 0;

  // Uniform in [0, bound); bound > 0.
  uint64_t Below(uint64_t bound);
};

// The kernel's generator (getrandom); lives for the whole process.
Random& SystemRandom();

// An identifier such as "ses_7k2m9…": the prefix, '_' and 26 characters of [0-9a-z], 130 bits.
// Sortable it is not: nothing may be guessed from an id.
std::string RandomId(Random& random, std::string_view prefix);

}  // namespace flattone
