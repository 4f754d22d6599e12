#include "libs/dsp/noise.h"

#include <algorithm>
#include <cmath>

#include "libs/dsp/level.h"

namespace flattone::dsp {

void BackgroundLevel::Add(double power) {
  if (power <= 0) power = 1;
  if (++blocks_ > kBlocksPerCell) {
    blocks_ = 1;
    cell_ = (cell_ + 1) % static_cast<int>(cells_.size());
    cells_[cell_] = -1;
  }
  double& cell = cells_[cell_];
  cell = cell < 0 ? power : std::min(cell, power);
}

double BackgroundLevel::power() const {
  double least = -1;
  for (const double cell : cells_) {
    if (cell >= 0 && (least < 0 || cell < least)) least = cell;
  }
  static const double kUnheard = PowerOfDbm0(-60);
  static const double kMost = PowerOfDbm0(-30);
  return least < 0 ? kUnheard : std::min(least, kMost);
}

void ComfortNoise::Fill(std::span<int16_t> out, double power) {
  // y = x + 0.5·y₋₁ has variance var(x) / (1 − 0.25); x is uniform on ±half, variance half² / 3.
  const float half = static_cast<float>(std::sqrt(power * 3.0 * 0.75));
  for (int16_t& sample : out) {
    state_ = state_ * 1664525u + 1013904223u;
    const float x = (static_cast<float>(state_ >> 8) / 8388608.0f - 1.0f) * half;
    last_ = x + 0.5f * last_;
    sample = static_cast<int16_t>(std::clamp(last_, -32000.0f, 32000.0f));
  }
}

}  // namespace flattone::dsp
