// WAV files: one channel, 8,000 samples a second. Reads PCM (16 and 8 bit) and G.711 (µ-law, A-law);
// the first channel where there are several. Writes 16-bit PCM.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace flattone::dsp {

// NOT_FOUND, INVALID_ARGUMENT with what is wrong (another sample rate, no data chunk), RESOURCE_EXHAUSTED
// above 1 GiB.
absl::StatusOr<std::vector<int16_t>> ReadWav(const std::string& path);
// The same from memory.
absl::StatusOr<std::vector<int16_t>> ParseWav(std::span<const uint8_t> file);
absl::Status WriteWav(const std::string& path, std::span<const int16_t> samples);

}  // namespace flattone::dsp
