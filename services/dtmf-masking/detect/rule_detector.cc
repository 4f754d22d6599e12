#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstdlib>
#include <vector>

#include "libs/dsp/dtmf.h"
#include "libs/dsp/level.h"
#include "libs/dsp/tone_bank.h"
#include "services/dtmf-masking/detect/tone_detector.h"

namespace flattone::masking {
namespace {

static_assert(kHop == dsp::ToneBank::kHop);

// Set on 20 minutes of speech (English, French, Italian) and 2,200 keys: README, "How the rule was set".
constexpr double kShareToStart = 0.44;
constexpr double kShareToGoOn = 0.22;
constexpr double kThirdToneToStart = 0.33;  // against the weaker of the two
constexpr double kThirdToneToGoOn = 0.80;
constexpr double kNearLowPercent = 4.0, kNearHighPercent = 3.8;
constexpr double kWeakestDbm0 = -57;
constexpr double kTwistDb = 14;
constexpr int kLowStep = 14, kHighStep = 20;
constexpr int kClearHz = 110;  // closer than this a third peak is a side of the tone itself
constexpr int kLeastKnown = 60;

struct Grid {
  std::vector<int> hz;
  int low = 0;  // how many belong to the low band
  Grid() {
    for (int f = 650; f <= 1000; f += kLowStep) hz.push_back(f);
    low = static_cast<int>(hz.size());
    for (int f = 1150; f <= 1710; f += kHighStep) hz.push_back(f);
  }
};
const Grid& TheGrid() {
  static const Grid grid;
  return grid;
}

double PercentOff(double hz, const std::array<double, 4>& keys) {
  double least = 100;
  for (const double key : keys) least = std::min(least, std::abs(hz - key) / key * 100);
  return least;
}

class RuleDetector final : public ToneDetector {
 public:
  explicit RuleDetector(int lookahead)
      : window_(std::clamp(lookahead / kHop, 4, 8)), bank_(TheGrid().hz), power_(TheGrid().hz.size()),
        sums_(TheGrid().hz.size()) {}

  bool Push(std::span<const int16_t> hop, int known) override {
    bank_.Push(hop);
    known_[at_] = known;
    at_ = (at_ + 1) % static_cast<int>(known_.size());
    on_ = Judge();
    return on_;
  }
  int reach() const override { return window_ * kHop; }
  void Reset() override {
    bank_ = dsp::ToneBank(TheGrid().hz);
    known_.fill(0);
    on_ = false;
  }

 private:
  int Known() const {
    int sum = 0;
    for (int h = 1; h <= window_; ++h) sum += known_[(at_ - h + static_cast<int>(known_.size())) % known_.size()];
    return sum;
  }

  bool Judge() {
    const int known = Known();
    if (known < std::min(kLeastKnown, window_ * kHop)) return false;
    const double energy = bank_.Energy(window_);
    const double weakest = dsp::PowerOfDbm0(kWeakestDbm0);
    if (energy < weakest * known) return false;
    bank_.Tones(window_, sums_);
    for (size_t i = 0; i < sums_.size(); ++i) power_[i] = std::norm(sums_[i]);
    const Grid& grid = TheGrid();
    const auto low = std::max_element(power_.begin(), power_.begin() + grid.low) - power_.begin();
    const auto high = std::max_element(power_.begin() + grid.low, power_.end()) - power_.begin();
    const double scale = 2.0 / known;
    const double low_energy = power_[low] * scale, high_energy = power_[high] * scale;
    const double share = (low_energy + high_energy) / energy;
    if (share < (on_ ? kShareToGoOn : kShareToStart)) return false;
    const double weaker = std::min(low_energy, high_energy), stronger = std::max(low_energy, high_energy);
    static const double kTwist = std::pow(10.0, kTwistDb / 10), kTwistOn = kTwist * 2;
    if (weaker < weakest * known || stronger > weaker * (on_ ? kTwistOn : kTwist)) return false;
    const double allowance = on_ ? 1.0 : 0.0;
    if (PercentOff(Peak(low, 0, grid.low, kLowStep), dsp::kRowHz) > kNearLowPercent + allowance) return false;
    if (PercentOff(Peak(high, grid.low, static_cast<int>(grid.hz.size()), kHighStep), dsp::kColumnHz) >
        kNearHighPercent + allowance) {
      return false;
    }
    return Third(grid, low, high) * scale <= weaker * (on_ ? kThirdToneToGoOn : kThirdToneToStart);
  }

  // The peak between grid points, by the parabola through three magnitudes.
  double Peak(long i, int first, int last, int step) const {
    const double hz = TheGrid().hz[i];
    if (i <= first || i >= last - 1) return hz;
    const double left = std::sqrt(power_[i - 1]), mid = std::sqrt(power_[i]), right = std::sqrt(power_[i + 1]);
    const double bend = left - 2 * mid + right;
    return bend >= 0 ? hz : hz + 0.5 * (left - right) / bend * step;
  }

  double Third(const Grid& grid, long low, long high) const {
    float most = 0;
    for (size_t i = 0; i < power_.size(); ++i) {
      if (std::abs(grid.hz[i] - grid.hz[low]) > kClearHz && std::abs(grid.hz[i] - grid.hz[high]) > kClearHz) {
        most = std::max(most, power_[i]);
      }
    }
    return most;
  }

  const int window_;  // hops
  dsp::ToneBank bank_;
  std::vector<float> power_;
  std::vector<std::complex<float>> sums_;
  std::array<int, 8> known_{};
  int at_ = 0;
  bool on_ = false;
};

}  // namespace

std::unique_ptr<ToneDetector> MakeRuleDetector(int lookahead_samples) {
  return std::make_unique<RuleDetector>(lookahead_samples);
}

}  // namespace flattone::masking
