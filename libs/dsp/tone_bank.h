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
  // Eight frequencies side by side: what the compiler turns into two SSE or one AVX register.
  static constexpr int kLanes = 8;
  struct alignas(32) Lanes {
    std::array<float, kLanes> re{}, im{};
  };
  int size_;
  int groups_;
  int next_ = 0;                 // ring position of the next hop
  int hops_ = 0;                 // hops so far, modulo the phase's period
  std::vector<int> frequencies_;
  std::vector<Lanes> turn_;      // e^{-iωk}, k < kHop: [group][k]
  std::vector<Lanes> ring_;      // partial sums, absolute phase: [hop][group]
  std::array<double, kMaxHops> energy_{};
};

}  // namespace flattone::dsp
