// What the agent hears when a masked frame is not back in time: silence for a moment, then the flat tone, never the
// caller's sound. Generated at the codec, by RTP timestamp, so that frames join without a step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "libs/dsp/g711.h"

namespace flattone::relay {

class ComfortTone {
 public:
  // 200 to 3400 Hz, −40 to −6 dBm0.
  ComfortTone(int frequency_hz, double level_dbm0);

  // Fills `out` with the tone's codewords from this timestamp on.
  void Tone(dsp::Law law, uint32_t timestamp, std::span<uint8_t> out) const;
  static void Silence(dsp::Law law, std::span<uint8_t> out);

 private:
  std::vector<uint8_t> mu_, a_;  // one whole number of periods
};

}  // namespace flattone::relay
