#include "libs/dsp/tone_bank.h"

#include <cmath>
#include <cstring>
#include <numbers>

#include "libs/dsp/level.h"

namespace flattone::dsp {
namespace {

// A hop turns a tone of f Hz by f/400 of a circle: all phases at the start of a hop are 400ths.
constexpr int kPeriod = kSampleRate / ToneBank::kHop;

// Four floats in one register, on every architecture that GCC and Clang know.
using Four = float __attribute__((vector_size(16)));
Four Load(const float* at) {
  Four four;
  std::memcpy(&four, at, sizeof four);
  return four;
}

struct Circle {
  std::array<float, kPeriod> cosine, sine;
  Circle() {
    for (int i = 0; i < kPeriod; ++i) {
      const double angle = -2.0 * std::numbers::pi * i / kPeriod;
      cosine[i] = static_cast<float>(std::cos(angle));
      sine[i] = static_cast<float>(std::sin(angle));
    }
  }
};
const Circle& TheCircle() {
  static const Circle circle;
  return circle;
}

}  // namespace

ToneBank::ToneBank(std::span<const int> frequencies)
    : size_(static_cast<int>(frequencies.size())), groups_((size_ + kLanes - 1) / kLanes),
      frequencies_(frequencies.begin(), frequencies.end()), turn_(groups_ * kHop), ring_(groups_ * kMaxHops) {
  frequencies_.resize(groups_ * kLanes, 0);
  for (int f = 0; f < size_; ++f) {
    for (int k = 0; k < kHop; ++k) {
      const double angle = -2.0 * std::numbers::pi * frequencies_[f] * k / kSampleRate;
      Lanes& turn = turn_[f / kLanes * kHop + k];
      turn.re[f % kLanes] = static_cast<float>(std::cos(angle));
      turn.im[f % kLanes] = static_cast<float>(std::sin(angle));
    }
  }
}

void ToneBank::Push(std::span<const int16_t> hop) {
  std::array<float, kHop> samples;
  double energy = 0;
  for (int k = 0; k < kHop; ++k) {
    samples[k] = hop[k];
    energy += static_cast<double>(samples[k]) * samples[k];
  }
  const Circle& circle = TheCircle();
  for (int g = 0; g < groups_; ++g) {
    const Lanes* turn = &turn_[g * kHop];
    Four re0{}, re1{}, im0{}, im1{};
    for (int k = 0; k < kHop; ++k) {
      const Four sample = {samples[k], samples[k], samples[k], samples[k]};
      re0 += sample * Load(&turn[k].re[0]);
      re1 += sample * Load(&turn[k].re[4]);
      im0 += sample * Load(&turn[k].im[0]);
      im1 += sample * Load(&turn[k].im[4]);
    }
    Lanes sum;
    std::memcpy(&sum.re[0], &re0, sizeof re0);
    std::memcpy(&sum.re[4], &re1, sizeof re1);
    std::memcpy(&sum.im[0], &im0, sizeof im0);
    std::memcpy(&sum.im[4], &im1, sizeof im1);
    Lanes& out = ring_[next_ * groups_ + g];
    for (int l = 0; l < kLanes; ++l) {  // to the absolute phase
      const int phase = frequencies_[g * kLanes + l] * hops_ % kPeriod;
      const float c = circle.cosine[phase], s = circle.sine[phase];
      out.re[l] = sum.re[l] * c - sum.im[l] * s;
      out.im[l] = sum.re[l] * s + sum.im[l] * c;
    }
  }
  energy_[next_] = energy;
  next_ = (next_ + 1) % kMaxHops;
  hops_ = (hops_ + 1) % kPeriod;
}

void ToneBank::Tones(int hops, std::span<std::complex<float>> out) const {
  for (int g = 0; g < groups_; ++g) {
    Lanes sum;
    for (int h = 1; h <= hops; ++h) {
      const Lanes& part = ring_[(next_ - h + kMaxHops) % kMaxHops * groups_ + g];
      for (int l = 0; l < kLanes; ++l) sum.re[l] += part.re[l];
      for (int l = 0; l < kLanes; ++l) sum.im[l] += part.im[l];
    }
    for (int l = 0; l < kLanes && g * kLanes + l < size_; ++l) out[g * kLanes + l] = {sum.re[l], sum.im[l]};
  }
}

double ToneBank::Energy(int hops) const {
  double sum = 0;
  for (int h = 1; h <= hops; ++h) sum += energy_[(next_ - h + kMaxHops) % kMaxHops];
  return sum;
}

}  // namespace flattone::dsp
