// Finds the flat tone: a pure tone of one pitch, wherever it begins.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace flattone::judge {

struct FlatToneHeard {
  int64_t onset = 0;   // sample, to within 5 ms
  int64_t length = 0;  // samples
};

// Stretches of at least 35 ms in which `hz` is all but 1.5 % of the sound, at one level above −35 dBm0.
std::vector<FlatToneHeard> FindFlatTones(std::span<const int16_t> sound, double hz);

}  // namespace flattone::judge
