#include "libs/dsp/tone_bank.h"

#include <cmath>
#include <numbers>

#include "libs/dsp/level.h"

namespace flattone::dsp {

ToneBank::ToneBank(std::span<const int> frequencies)
    : size_(static_cast<int>(frequencies.size())), padded_((size_ + 7) & ~7),
      frequencies_(frequencies.begin(), frequencies.end()) {
  turn_re_.assign(kHop * padded_, 0);
  turn_im_.assign(kHop * padded_, 0);
  ring_re_.assign(kMaxHops * padded_, 0);
  ring_im_.assign(kMaxHops * padded_, 0);
  base_.assign(size_, 0);
  for (int k = 0; k < kHop; ++k) {
    for (int f = 0; f < size_; ++f) {
      const double angle = -2.0 * std::numbers::pi * frequencies_[f] * k / kSampleRate;
      turn_re_[k * padded_ + f] = static_cast<float>(std::cos(angle));
      turn_im_[k * padded_ + f] = static_cast<float>(std::sin(angle));
    }
  }
}

void ToneBank::Push(std::span<const int16_t> hop) {
  float* re = &ring_re_[next_ * padded_];
  float* im = &ring_im_[next_ * padded_];
  for (int f = 0; f < padded_; ++f) re[f] = im[f] = 0;
  double energy = 0;
  for (int k = 0; k < kHop; ++k) {
    const float sample = hop[k];
    energy += static_cast<double>(sample) * sample;
    const float* turn_re = &turn_re_[k * padded_];
    const float* turn_im = &turn_im_[k * padded_];
    for (int f = 0; f < padded_; ++f) {
      re[f] += sample * turn_re[f];
      im[f] += sample * turn_im[f];
    }
  }
  for (int f = 0; f < size_; ++f) {  // turn the hop's sums to the absolute phase
    const float angle = static_cast<float>(-2.0 * std::numbers::pi * base_[f]);
    const float c = std::cos(angle), s = std::sin(angle);
    const float r = re[f], i = im[f];
    re[f] = r * c - i * s;
    im[f] = r * s + i * c;
    base_[f] += static_cast<double>(frequencies_[f] * kHop % kSampleRate) / kSampleRate;
    if (base_[f] >= 1.0) base_[f] -= 1.0;
  }
  energy_[next_] = energy;
  next_ = (next_ + 1) % kMaxHops;
}

void ToneBank::Tones(int hops, std::span<std::complex<float>> out) const {
  for (int f = 0; f < size_; ++f) out[f] = 0;
  for (int h = 1; h <= hops; ++h) {
    const int at = ((next_ - h + kMaxHops) % kMaxHops) * padded_;
    for (int f = 0; f < size_; ++f) out[f] += std::complex<float>(ring_re_[at + f], ring_im_[at + f]);
  }
}

double ToneBank::Energy(int hops) const {
  double sum = 0;
  for (int h = 1; h <= hops; ++h) sum += energy_[(next_ - h + kMaxHops) % kMaxHops];
  return sum;
}

}  // namespace flattone::dsp
