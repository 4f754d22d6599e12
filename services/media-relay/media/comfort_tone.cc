#include "services/media-relay/media/comfort_tone.h"

#include <cmath>
#include <cstring>
#include <numbers>
#include <numeric>

#include "libs/dsp/level.h"

namespace flattone::relay {

ComfortTone::ComfortTone(int frequency_hz, double level_dbm0) {
  const int period = dsp::kSampleRate / std::gcd(dsp::kSampleRate, frequency_hz);
  const double amplitude = dsp::AmplitudeOfDbm0(level_dbm0);
  for (int i = 0; i < period; ++i) {
    const double phase = 2 * std::numbers::pi * frequency_hz * i / dsp::kSampleRate;
    const auto sample = static_cast<int16_t>(std::lround(amplitude * std::sin(phase)));
    mu_.push_back(dsp::Encode(dsp::Law::kMu, sample));
    a_.push_back(dsp::Encode(dsp::Law::kA, sample));
  }
}

void ComfortTone::Tone(dsp::Law law, uint32_t timestamp, std::span<uint8_t> out) const {
  const std::vector<uint8_t>& table = law == dsp::Law::kMu ? mu_ : a_;
  size_t at = timestamp % table.size();
  for (uint8_t& codeword : out) {
    codeword = table[at];
    if (++at == table.size()) at = 0;
  }
}

void ComfortTone::Silence(dsp::Law law, std::span<uint8_t> out) {
  if (!out.empty()) std::memset(out.data(), dsp::SilenceCodeword(law), out.size());
}

}  // namespace flattone::relay
