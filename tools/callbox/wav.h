// Sound files: mono, 8 kHz, 16-bit PCM, which is what a telephone line carries.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace flattone::call {

// The samples of a RIFF/WAVE file. INVALID_ARGUMENT names the file and what it must be; NOT_FOUND if it cannot be read.
absl::StatusOr<std::vector<int16_t>> ReadWav(const std::string& path);
// The same from bytes in memory; `name` stands in messages.
absl::StatusOr<std::vector<int16_t>> ParseWav(std::span<const uint8_t> bytes, const std::string& name);

absl::Status WriteWav(const std::string& path, std::span<const int16_t> samples);

}  // namespace flattone::call
