#include "services/dtmf-masking/detect/digit_detector.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "libs/dsp/dtmf.h"
#include "libs/dsp/level.h"

namespace flattone::masking {
namespace {

constexpr std::array<double, 8> kHz = {697, 770, 852, 941, 1209, 1336, 1477, 1633};
constexpr int kStep = 20;  // samples: 2.5 ms
constexpr int kHalf = 4, kWindow = 8;  // hops: frequency is the phase turned between two halves of 10 ms
constexpr double kShare = 0.8;
constexpr double kOffsetPercent = 2.3;
constexpr double kWeakestToneDbm0 = -40;
// Beyond what Q.24 asks for on either side: at the limit itself noise decides by the key's frequencies, and the flat tone tells.
constexpr double kTwistUpDb = 8, kTwistDownDb = -10;
constexpr double kHeldPower = 0.1;  // of the level at which it was counted
constexpr int kGoodHops = 7;
constexpr int kEndHops = 7;
constexpr int kMostUnknownHops = 32;
constexpr int kLeastHeard = 120;
constexpr float kMostLoss = 0.6f;  // of a tone 2.3 % beside 1633 Hz, over 10 ms, in power
constexpr int kWindowAge = 120;  // an onset is about this old when the first clean window ends

// std::abs of a complex number guards against overflow, at ten times the cost.
float Length(std::complex<float> z) { return std::sqrt(std::norm(z)); }

// Mean square of a tone from its sums over two halves, corrected for what the offset cost; offset in Hz.
double PowerOf(std::complex<float> older, std::complex<float> newer, double* offset) {
  constexpr double kSeconds = kHalf * 20.0 / dsp::kSampleRate;
  *offset = std::arg(newer * std::conj(older)) / (2 * std::numbers::pi * kSeconds);
  const double x = std::numbers::pi * *offset * kSeconds;
  const double loss = std::abs(x) < 1e-3 ? 1.0 : std::sin(x) / x;
  const double amplitude = (Length(older) + Length(newer)) / (kHalf * 20.0) / loss;
  return amplitude * amplitude / 2;
}

const dsp::HopBank& DigitBank() {
  static const dsp::HopBank bank(kHz, kStep);
  return bank;
}

}  // namespace

DigitDetector::DigitDetector() : sums_(DigitBank()) {}

void DigitDetector::Reset() {
  sums_.Reset();
  known_.fill(0);
  heard_ = 0;
  active_ = -1;
  Forget();
}

void DigitDetector::Forget() {
  candidate_ = -1;
  good_ = missed_ = candidate_age_ = 0;
}

std::optional<DigitDetector::Started> DigitDetector::Push(std::span<const int16_t> hop, int known) {
  sums_.Push(hop);
  heard_ += known - std::exchange(known_[at_], known);
  at_ = (at_ + 1) % kWindow;
  if (candidate_ >= 0) candidate_age_ += kStep;
  if (heard_ < kLeastHeard) {  // neither proof nor disproof
    if (++unknown_ > kMostUnknownHops) {
      active_ = -1;
      Forget();
    }
    return std::nullopt;
  }
  unknown_ = 0;
  const bool possible = Glance();
  if (possible || active_ >= 0) {
    for (int i = 0; i < 8; ++i) {
      newer_[i] = sums_.Four(i, 0);
      older_[i] = sums_.FourBefore(i);
    }
  }
  if (active_ >= 0) {
    absent_ = StillThere() ? 0 : absent_ + 1;
    if (absent_ >= kEndHops) active_ = -1;
  }
  return Consider(possible ? Read() : Reading());
}

// Whether Read() could find two clean tones: most sound holds none, and is spared the rest. An upper bound of their power, from
// the sums over the two halves alone: (|a| + |b|)² <= 2 (|a|² + |b|²), and an offset within bounds costs at most kMostLoss.
bool DigitDetector::Glance() const {
  const auto most = [this](int first) {
    float best = 0;
    for (int i = first; i < first + 4; ++i) best = std::max(best, std::norm(sums_.Four(i, 0)) + std::norm(sums_.Four(i, kHalf)));
    return best;
  };
  constexpr float kToPower = 1 / (kHalf * kStep * static_cast<float>(kHalf * kStep) * kMostLoss);
  const float mean = sums_.Energy(kWindow) / (kWindow * kStep);
  return (most(0) + most(4)) * kToPower >= static_cast<float>(kShare) * mean;
}

DigitDetector::Reading DigitDetector::Read() {
  Reading r;
  const auto strongest = [this](int first) {
    int best = first;
    float most = -1;
    for (int i = first; i < first + 4; ++i) {
      const float length = Length(older_[i]) + Length(newer_[i]);
      if (length > most) best = i;
      most = std::max(most, length);
    }
    return best;
  };
  const int low = strongest(0), high = strongest(4);
  double low_offset = 0, high_offset = 0;
  r.row = low;
  r.column = high - 4;
  r.low = PowerOf(older_[low], newer_[low], &low_offset);
  r.high = PowerOf(older_[high], newer_[high], &high_offset);
  const double mean = sums_.Energy(kWindow) / (kWindow * kStep);
  static const double kWeakest = dsp::PowerOfDbm0(kWeakestToneDbm0);
  static const double kUp = std::pow(10, kTwistUpDb / 10), kDown = std::pow(10, kTwistDownDb / 10);
  r.clean = std::min(r.low, r.high) >= kWeakest && r.low + r.high >= kShare * mean &&
            std::abs(low_offset) * 100 <= kOffsetPercent * kHz[low] &&
            std::abs(high_offset) * 100 <= kOffsetPercent * kHz[high] && r.high <= kUp * r.low &&
            r.high >= kDown * r.low;
  return r;
}

bool DigitDetector::StillThere() {
  double offset = 0;
  const int low = active_ / 4, high = 4 + active_ % 4;
  return PowerOf(older_[low], newer_[low], &offset) >= kHeldPower * active_low_ &&
         PowerOf(older_[high], newer_[high], &offset) >= kHeldPower * active_high_;
}

std::optional<DigitDetector::Started> DigitDetector::Consider(const Reading& r) {
  const int key = r.row * 4 + r.column;
  if (!r.clean || key == active_) {
    if (candidate_ >= 0 && ++missed_ > 1) Forget();
    return std::nullopt;
  }
  if (key != candidate_) {
    Forget();
    candidate_ = key;
    candidate_age_ = kWindowAge;
  }
  missed_ = 0;
  if (++good_ < kGoodHops) return std::nullopt;
  const Started started{key, candidate_age_};
  active_ = key;
  active_low_ = r.low;
  active_high_ = r.high;
  absent_ = 0;
  Forget();
  return started;
}

}  // namespace flattone::masking
