#include "libs/dsp/dtmf.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "libs/dsp/level.h"

namespace flattone::dsp {
namespace {

void AddTo(int16_t& sample, double value) {
  sample = static_cast<int16_t>(std::clamp(std::lround(sample + value), -32768L, 32767L));
}

double Ramp(int64_t i, int64_t duration, int64_t ramp) {
  const int64_t from_edge = std::min(i, duration - 1 - i);
  if (from_edge >= ramp) return 1.0;
  return 0.5 - 0.5 * std::cos(std::numbers::pi * (static_cast<double>(from_edge) + 0.5) / static_cast<double>(ramp));
}

constexpr std::string_view kEvents = "0123456789*#ABCD";

}  // namespace

std::optional<int> KeypadIndex(char symbol) {
  const size_t at = kKeypad.find(symbol);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<int>(at);
}

std::optional<uint8_t> EventOfSymbol(char symbol) {
  const size_t at = kEvents.find(symbol);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<uint8_t>(at);
}

std::optional<char> SymbolOfEvent(uint8_t event) {
  if (event >= kEvents.size()) return std::nullopt;
  return kEvents[event];
}

void AddKey(std::span<int16_t> out, int64_t at, int64_t duration, const KeyTone& tone) {
  const std::optional<int> index = KeypadIndex(tone.symbol);
  if (!index) return;
  const double bend = 1.0 + tone.offset_percent / 100.0;
  const double step = 2.0 * std::numbers::pi * bend / kSampleRate;
  const double low = kRowHz[*index / 4] * step;
  const double high = kColumnHz[*index % 4] * step;
  const double low_amplitude = AmplitudeOfDbm0(tone.low_dbm0);
  const double high_amplitude = AmplitudeOfDbm0(tone.low_dbm0 + tone.twist_db);
  for (int64_t i = std::max<int64_t>(0, -at); i < duration && at + i < static_cast<int64_t>(out.size()); ++i) {
    const double t = static_cast<double>(i);
    const double value = low_amplitude * std::sin(low * t + tone.low_phase) +
                         high_amplitude * std::sin(high * t + tone.high_phase);
    AddTo(out[at + i], value * Ramp(i, duration, tone.ramp_samples));
  }
}

void AddSine(std::span<int16_t> out, int64_t at, int64_t duration, double hz, double dbm0, double phase) {
  const double step = 2.0 * std::numbers::pi * hz / kSampleRate;
  const double amplitude = AmplitudeOfDbm0(dbm0);
  for (int64_t i = std::max<int64_t>(0, -at); i < duration && at + i < static_cast<int64_t>(out.size()); ++i) {
    AddTo(out[at + i], amplitude * std::sin(step * static_cast<double>(i) + phase));
  }
}

void AddNoise(std::span<int16_t> out, double dbm0, uint64_t seed) {
  uint64_t state = seed * 2 + 1;
  const double scale = std::sqrt(PowerOfDbm0(dbm0));
  for (int16_t& sample : out) {
    double sum = 0;  // twelve uniforms: close enough to a Gaussian of variance 1
    for (int k = 0; k < 12; ++k) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      sum += static_cast<double>(state >> 40) / static_cast<double>(1 << 24);
    }
    AddTo(sample, (sum - 6.0) * scale);
  }
}

std::vector<int64_t> AddKeys(std::span<int16_t> out, int64_t at, std::string_view symbols, int64_t on, int64_t off,
                             KeyTone tone) {
  std::vector<int64_t> onsets;
  for (const char symbol : symbols) {
    tone.symbol = symbol;
    AddKey(out, at, on, tone);
    onsets.push_back(at);
    at += on + off;
  }
  return onsets;
}

}  // namespace flattone::dsp
