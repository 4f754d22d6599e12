// The one sound that the agent hears for every key: same pitch, level and length, in the leg's codec.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "libs/dsp/g711.h"

namespace flattone::masking {

struct FlatToneOptions {
  int frequency_hz = 425;
  double level_dbm0 = -16;
  int duration_samples = 480;  // 60 ms
};

class FlatTone {
 public:
  FlatTone(const FlatToneOptions& options, dsp::Law law);
  int length() const { return static_cast<int>(codewords_.size()); }
  // The tone's codeword at `offset`; goes round past its end (comfort for a frame that cannot be decoded).
  uint8_t At(int64_t offset) const { return codewords_[static_cast<size_t>(offset) % codewords_.size()]; }

 private:
  std::vector<uint8_t> codewords_;
};

}  // namespace flattone::masking
