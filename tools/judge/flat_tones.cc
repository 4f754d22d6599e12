#include "tools/judge/flat_tones.h"

#include <cmath>
#include <complex>
#include <numbers>

#include "libs/dsp/level.h"

namespace flattone::judge {
namespace {

constexpr int kWindow = 80, kStep = 40;
constexpr int kLeast = 280;

bool IsTone(std::span<const int16_t> window, double hz) {
  const double energy = dsp::MeanSquare(window);
  if (energy < dsp::PowerOfDbm0(-35)) return false;
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
  return (a * xs + b * xc) / static_cast<double>(window.size()) >= 0.9 * energy;
}

}  // namespace

std::vector<FlatToneHeard> FindFlatTones(std::span<const int16_t> sound, double hz) {
  std::vector<FlatToneHeard> tones;
  int64_t begin = -1;
  const auto end_run = [&](int64_t end) {
    if (begin >= 0 && end - begin >= kLeast) tones.push_back({begin, end - begin});
    begin = -1;
  };
  int64_t at = 0;
  for (; at + kWindow <= static_cast<int64_t>(sound.size()); at += kStep) {
    if (IsTone(sound.subspan(at, kWindow), hz)) {
      if (begin < 0) begin = at;
    } else {
      end_run(at + kWindow - kStep);
    }
  }
  end_run(at);
  return tones;
}

}  // namespace flattone::judge
