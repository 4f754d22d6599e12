// Independent ears: DTMF decoders that are not ours.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace flattone::judge {

struct HeardKey {
  char symbol = 0;
  int64_t onset = 0;  // sample, to within 20 ms
  int64_t end = 0;
};

// spandsp's receiver with default settings.
std::vector<HeardKey> AskSpandsp(std::span<const int16_t> sound);

// multimon-ng as a process, the sound resampled to its 22,050 Hz; nullopt where it is not installed or fails.
std::optional<std::string> AskMultimon(std::span<const int16_t> sound);

}  // namespace flattone::judge
