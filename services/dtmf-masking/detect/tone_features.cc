#include "services/dtmf-masking/detect/tone_features.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "libs/dsp/dtmf.h"
#include "libs/dsp/level.h"

namespace flattone::masking {
namespace {

// Places of the grid: the low band, the gap, the high band, below and above them.
constexpr int kLow = 0, kLowEnd = 16, kHigh = 18, kHighEnd = 40, kBelow = 40, kAbove = 44, kEnd = 48;
constexpr double kLowStep = 23, kHighStep = 26;
constexpr int kClear = 3;  // grid places: nearer than that a second peak is a side of the first

constexpr int kLeastKnown = 60;       // samples of a window
constexpr float kWindowSamples = 4 * ToneFeatures::kAsked;
constexpr float kToEnergy = 2.0f / kWindowSamples;  // |sum|² of a window to the tone's sum of squares

// A glance rules a window out when the pair is below these.
constexpr double kWeakestDbm0 = -62;
constexpr float kLeastShare = 0.10f;     // of the sound, both tones
constexpr float kLeastOfPair = 0.012f;   // of the pair, the weaker: 19 dB of twist

struct Grid {
  std::array<double, kEnd> hz{};
  Grid() {
    for (int i = kLow; i < kLowEnd; ++i) hz[i] = 652 + kLowStep * i;
    hz[16] = 1045;
    hz[17] = 1100;
    for (int i = kHigh; i < kHighEnd; ++i) hz[i] = 1156 + kHighStep * (i - kHigh);
    constexpr std::array<double, 8> kOutside = {220, 320, 420, 520, 1800, 2000, 2300, 2700};
    std::copy(kOutside.begin(), kOutside.end(), hz.begin() + kBelow);
  }
};
const Grid& TheGrid() {
  static const Grid grid;
  return grid;
}
const dsp::HopBank& TheBank() {
  static const dsp::HopBank bank(TheGrid().hz, ToneFeatures::kAsked);
  return bank;
}

float PercentOff(float hz) {
  float least = 100;
  const auto& keys = hz < 1075 ? dsp::kRowHz : dsp::kColumnHz;
  for (const double key : keys) least = std::min(least, std::abs(hz - static_cast<float>(key)) / static_cast<float>(key));
  return least * 100;
}

std::complex<float> Times(std::complex<float> a, std::complex<float> b) {  // without the library's care for infinities
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

struct Found {
  int at = 0, second = 0;
  float power = 0, second_power = 0, sum = 0;
};
Found Strongest(std::span<const float> power, int first, int end) {
  Found f{.at = first, .second = first};
  f.power = -1;
  for (int i = first; i < end; ++i) {
    f.sum += power[i];
    if (power[i] > f.power) {
      f.power = power[i];
      f.at = i;
    }
  }
  for (int i = first; i < end; ++i) {
    if (std::abs(i - f.at) >= kClear && power[i] > f.second_power) {
      f.second_power = power[i];
      f.second = i;
    }
  }
  return f;
}

// Four at a time: a maximum waits for the one before it.
float Most(std::span<const float> power, int first, int end) {
  std::array<float, 4> most{};
  for (; first + 4 <= end; first += 4) {
    for (int lane = 0; lane < 4; ++lane) most[lane] = std::max(most[lane], power[first + lane]);
  }
  for (; first < end; ++first) most[0] = std::max(most[0], power[first]);
  return std::max(std::max(most[0], most[1]), std::max(most[2], most[3]));
}

}  // namespace

ToneFeatures::ToneFeatures() : sums_(TheBank()) {}

void ToneFeatures::Reset() {
  sums_.Reset();
  windows_.fill(Window{});
  known_.fill(0);
  now_ = 0;
}

int ToneFeatures::Known() const {
  int sum = 0;
  for (const int k : known_) sum += k;
  return sum;
}

ToneFeatures::Answer ToneFeatures::Push(std::span<const int16_t> hop, int known) {
  std::copy(hop.begin(), hop.end(), heard_.begin() + now_ % kStride * kHop);
  ++now_;
  known_[now_ & 7] = known;
  if (now_ % kStride != 0) return Answer::kNone;
  sums_.Push(heard_);
  Window& window = windows_[now_ / kStride & 3];
  Tone low, high;
  window.possible = Known() >= kLeastKnown && Glance(low, high);
  if (window.possible) {
    Follow(low);
    Follow(high);
    Describe(low, high, window);
  }
  return window.possible || Back(3).possible ? Answer::kPossible : Answer::kImpossible;
}

bool ToneFeatures::Glance(Tone& low, Tone& high) const {
  const std::span<const float> power = sums_.power();
  const float energy = sums_.Energy(4);
  static const float kFloor = static_cast<float>(dsp::PowerOfDbm0(kWeakestDbm0)) * kWindowSamples;
  if (energy < kFloor) return false;
  const float best_low = Most(power, kLow, kLowEnd), best_high = Most(power, kHigh, kHighEnd);
  const float both = (best_low + best_high) * kToEnergy, weaker = std::min(best_low, best_high) * kToEnergy;
  if (both < kLeastShare * energy || weaker < kLeastOfPair * both || weaker < kFloor) return false;
  const Found l = Strongest(power, kLow, kLowEnd), h = Strongest(power, kHigh, kHighEnd);
  low = {.at = l.at, .second = l.second, .power = l.power, .second_power = l.second_power, .band = l.sum};
  high = {.at = h.at, .second = h.second, .power = h.power, .second_power = h.second_power, .band = h.sum};
  return true;
}

// One tone through the last 50 ms, in steps of 5 ms, turned back by its own frequency: a steady tone stands still.
void ToneFeatures::Follow(Tone& tone) const {
  constexpr int kSteps = 10;
  std::array<std::complex<float>, kSteps> r;
  for (int k = 0; k < kSteps; ++k) r[k] = sums_.One(tone.at, k);
  const std::complex<float> grid_turn = sums_.Turn(tone.at);
  std::complex<float> z = 0;
  for (int k = 0; k < 3; ++k) z += Times(r[k], std::conj(Times(r[k + 1], grid_turn)));
  const float length = std::sqrt(std::norm(z));
  const std::complex<float> bend = length > 0 ? z / length : std::complex<float>(1);
  tone.hz = static_cast<float>(TheGrid().hz[tone.at]) +
            std::atan2(bend.imag(), bend.real()) * static_cast<float>(dsp::kSampleRate / (2 * std::numbers::pi * 2 * kHop));
  const std::complex<float> turn = Times(grid_turn, bend);
  std::complex<float> by = 1;
  std::array<float, kSteps> size;
  for (int k = 0; k < kSteps; ++k) {
    r[k] = Times(r[k], by);
    by = Times(by, turn);
    size[k] = std::norm(r[k]);
  }
  const std::complex<float> newer = r[0] + r[1], older = r[2] + r[3], before = r[4] + r[5] + r[6] + r[7];
  const float all = size[0] + size[1] + size[2] + size[3] + 1;
  const float whole = std::norm(newer + older);
  float long_all = all;
  for (int k = 4; k < kSteps; ++k) long_all += size[k];
  tone.energy = whole * kToEnergy;
  tone.newer_energy = std::norm(newer) * 2 * kToEnergy;
  tone.older_energy = std::norm(older) * 2 * kToEnergy;
  tone.steady = whole / (4 * all);
  tone.even = *std::min_element(size.begin(), size.begin() + 4) / (*std::max_element(size.begin(), size.begin() + 4) + 1);
  tone.before = std::norm(before) / (whole + 1);
  tone.long_steady = std::norm(newer + older + before + r[8] + r[9]) / (kSteps * long_all);
}

void ToneFeatures::Describe(const Tone& low, const Tone& high, Window& window) const {
  const float energy = sums_.Energy(4) + 1, newer = sums_.Energy(2) + 1, older = sums_.Energy(2, 2) + 1;
  float* x = window.x.data();
  for (const Tone* tone : {&low, &high}) {
    *x++ = PercentOff(tone->hz);
    *x++ = tone->energy / energy;
    *x++ = tone->power / (tone->band + 1);
    *x++ = tone->second_power / (tone->power + 1);
    *x++ = tone->steady;
    *x++ = tone->even;
    *x++ = tone->before;
    *x++ = tone->long_steady;
    *x++ = tone->newer_energy / (tone->older_energy + 1);
    *x++ = PercentOff(static_cast<float>(TheGrid().hz[tone->second]));
  }
  const std::span<const float> power = sums_.power();
  const float weaker = std::min(low.energy, high.energy), to_weaker = kToEnergy / (weaker + 1);
  *x++ = weaker / kWindowSamples;
  *x++ = high.energy / (low.energy + 1);
  *x++ = (low.energy + high.energy) / energy;
  *x++ = energy / kWindowSamples;
  *x++ = sums_.Energy(4, 4) / energy;
  *x++ = (low.newer_energy + high.newer_energy) / newer;
  *x++ = (low.older_energy + high.older_energy) / older;
  *x++ = Most(power, kLowEnd, kHigh) * to_weaker;
  *x++ = Most(power, kBelow, kAbove) * to_weaker;
  *x++ = Most(power, kAbove, kEnd) * to_weaker;
  *x++ = (low.band + high.band) * kToEnergy / energy;
  *x++ = std::min(low.steady, high.steady);
  window.low_hz = low.hz;
  window.high_hz = high.hz;
}

void ToneFeatures::Fill(std::span<float, kCount> out) const {
  const Window &whole = Back(0), &middle = Back(2), &past = Back(3);
  float* x = out.data();
  for (const Window* w : {&whole, &middle, &past}) {
    x = w->possible ? std::copy(w->x.begin(), w->x.end(), x) : std::fill_n(x, kPerWindow, -1.0f);
  }
  const auto apart = [](const Window& a, const Window& b, float Window::*hz) {
    return a.possible && b.possible ? std::abs(a.*hz - b.*hz) : -1.0f;
  };
  *x++ = apart(whole, middle, &Window::low_hz);
  *x++ = apart(whole, middle, &Window::high_hz);
  *x++ = apart(middle, past, &Window::low_hz);
  *x++ = apart(middle, past, &Window::high_hz);
  *x++ = whole.possible && middle.possible ? whole.x[20] / (middle.x[20] + 1) : -1;
  *x++ = past.possible && middle.possible ? past.x[20] / (middle.x[20] + 1) : -1;
}

}  // namespace flattone::masking
