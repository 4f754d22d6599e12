#include "tools/judge/flat_tones.h"

#include <cmath>
#include <complex>
#include <numbers>

#include "libs/dsp/level.h"

namespace flattone::judge {
namespace {

constexpr int kWindow = 80, kStep = 40;
constexpr int kLeast = 280;

constexpr double kShare = 0.985;    // a vowel's harmonic reaches 0.95 for 40 ms, a coded tone 0.999
constexpr double kSteadyDb = 1.0;   // and its level moves

// Level in dBm0 when the window holds the tone and little else, else −120.
double ToneLevel(std::span<const int16_t> window, double hz) {
  const double energy = dsp::MeanSquare(window);
  if (energy < dsp::PowerOfDbm0(-35)) return -120;
  // The energy of the sine and cosine that fit best: exact also where the window holds no whole cycles.
  double ss = 0, cc = 0, sc = 0, xs = 0, xc = 0;
  for (size_t i = 0; i < window.size(); ++i) {
    const double angle = 2 * std::numbers::pi * hz * static_cast<double>(i) / dsp::kSampleRate;
    const double s = std::sin(angle), c = std::cos(angle), x = window[i];
    ss += s * s;
    cc += c * c;
    sc += s * c;
    xs += x * s;
    xc += x * c;
  }
  const double det = ss * cc - sc * sc;
  const double a = (xs * cc - xc * sc) / det, b = (xc * ss - xs * sc) / det;
  const double tone = (a * xs + b * xc) / static_cast<double>(window.size());
  return tone >= kShare * energy ? dsp::Dbm0OfPower((a * a + b * b) / 2) : -120;
}

}  // namespace

std::vector<FlatToneHeard> FindFlatTones(std::span<const int16_t> sound, double hz) {
  std::vector<FlatToneHeard> tones;
  int64_t begin = -1;
  double first_level = 0;
  const auto end_run = [&](int64_t end) {
    if (begin >= 0 && end - begin >= kLeast) tones.push_back({begin, end - begin});
    begin = -1;
  };
  int64_t at = 0;
  for (; at + kWindow <= static_cast<int64_t>(sound.size()); at += kStep) {
    const double level = ToneLevel(sound.subspan(at, kWindow), hz);
    if (begin >= 0 && std::abs(level - first_level) > kSteadyDb) end_run(at + kWindow - kStep);
    if (begin < 0 && level > -120) {
      begin = at;
      first_level = level;
    }
  }
  end_run(at);
  return tones;
}

}  // namespace flattone::judge
