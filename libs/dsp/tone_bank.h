// Sliding Fourier sums at chosen frequencies: how much of each tone the last 10, 20, … ms hold.
//
//   ToneBank bank(frequencies);                     // once per stream
//   bank.Push(hop);                                 // kHop new samples
//   bank.Tones(8, tones);                           // complex sums over the last 8 hops, one per frequency
//   bank.Energy(8);                                 // sum of squares over the same samples
//
// The phase reference is absolute (the first sample ever pushed), so a window of any length is a sum of
// the hops' partial sums: one multiply-add per sample and frequency, whatever number of windows is read.
#pragma once

#include <array>
#include <complex>
#include <cstdint>
#include <span>
#include <vector>

namespace flattone::dsp {

class ToneBank {
 public:
  static constexpr int kHop = 20;       // 2.5 ms
  static constexpr int kMaxHops = 32;   // 80 ms of memory

  // Frequencies in Hz must be multiples of 1 Hz (the phase repeats after a second).
  explicit ToneBank(std::span<const int> frequencies);

  // Exactly kHop samples on the 16-bit scale.
  void Push(std::span<const int16_t> hop);
  // Sums over the newest `hops` hops (at most kMaxHops); `out` has one place per frequency.
  // A pure sine of amplitude A at the frequency gives |sum| = A · samples / 2.
  void Tones(int hops, std::span<std::complex<float>> out) const;
  double Energy(int hops) const;
  int size() const { return size_; }

 private:
  int size_;
  int padded_;
  int next_ = 0;                 // ring position of the next hop
  std::vector<float> turn_re_, turn_im_;    // e^{-iωk}, k < kHop: [k][frequency]
  std::vector<int> frequencies_;
  std::vector<float> ring_re_, ring_im_;    // [hop][frequency]
  std::array<double, kMaxHops> energy_{};
  std::vector<double> base_;     // phase at the start of the next hop, as turns in [0,1)
};

}  // namespace flattone::dsp
