// The background of a line: how loud it is between words, and noise of that level to fill a gap with.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace flattone::dsp {

// Follows the quietest 20 ms of the last second or two. Feed every block of heard sound (never a masked key).
class BackgroundLevel {
 public:
  // `power`: mean square of one 20 ms block.
  void Add(double power);
  // Mean square of the background, never above −30 dBm0; −60 dBm0 until something was heard.
  double power() const;

 private:
  static constexpr int kBlocksPerCell = 25;
  std::array<double, 4> cells_ = {-1, -1, -1, -1};  // minimum of each half second; negative: empty
  int cell_ = 0;
  int blocks_ = 0;
};

// Noise with the slope of a telephone room (a gentle low-pass), from a counter: nothing of the line's
// sound enters it, so it gives nothing away.
class ComfortNoise {
 public:
  explicit ComfortNoise(uint32_t seed) : state_(seed * 2 + 1) {}
  // Overwrites `out` with noise of that mean square.
  void Fill(std::span<int16_t> out, double power);

 private:
  uint32_t state_;
  float last_ = 0;
};

}  // namespace flattone::dsp
