// Fourier sums at chosen frequencies over the newest 2.5, 5, 10 and 20 ms of one channel, made hop by hop.
//
//   static const HopBank bank(frequencies);          // once per process: tables only
//   HopWindows windows(bank);                        // once per channel
//   windows.Push(hop);                               // kHop new samples
//   windows.power();                                 // |sum over 20 ms|², one per frequency
//   windows.Pair(f, 4);                              // the complex sum over 5 ms, four hops ago
//
// A sum's phase is told against the newest hop of its own window, so a window is a sum of shorter ones, turned
// by constants: nothing accumulates, and two channels that hear the same sound have the same sums.
// Vector code by run-time dispatch (AVX-512, AVX2, SSE4, baseline); no allocation after construction.
// A HopBank may be shared by threads; a HopWindows belongs to one at a time.
#pragma once

#include <array>
#include <complex>
#include <cstdint>
#include <span>

namespace flattone::dsp {

class HopBank {
 public:
  static constexpr int kHop = 20;     // samples: 2.5 ms
  static constexpr int kHalf = kHop / 2;
  static constexpr int kMost = 48;    // frequencies
  static constexpr int kLanes = 8;    // frequencies side by side

  // At most kMost frequencies in Hz.
  explicit HopBank(std::span<const double> hz);
  int size() const { return size_; }
  int padded() const { return padded_; }  // size, in whole registers

  // Each table: [k][re of all, im of all], `2 * padded` floats a row.
  struct Tables {
    int padded = 0;
    alignas(64) std::array<float, kHalf * 2 * kMost> turn{};      // e^{-iω(k - 9.5)}: about the hop's middle, its other half is the mirror
    alignas(64) std::array<float, 3 * 2 * kMost> back{};          // e^{iω·kHop·n}: n = 1, 2, 4
  };
  const Tables& tables() const { return tables_; }
  // What the vector code does with one hop; each sum is laid out like a table's row.
  struct Step {
    const float* even;       // kHalf: sample k plus its mirror
    const float* odd;        // kHalf: sample k minus its mirror
    float* last;             // the hop before; becomes this one
    const float* pair_back;  // two hops ago
    float* pair;
    const float* quad_back;  // four hops ago
    float* quad;
    float* power;
  };

 private:
  int size_, padded_;
  Tables tables_;
};

class HopWindows {
 public:
  static constexpr int kPairs = 32;   // how many hops back a pair of hops is kept
  static constexpr int kWindow = 8;   // hops in power(): 20 ms

  explicit HopWindows(const HopBank& bank) : bank_(&bank) {}
  // Exactly kHop samples on the 16-bit scale.
  void Push(std::span<const int16_t> hop);
  // Forgets all sound.
  void Reset();

  // A pure sine of amplitude A at the frequency gives |sum| = A · samples / 2.
  std::span<const float> power() const { return {power_.data(), static_cast<size_t>(bank_->size())}; }
  // Sum over two hops (5 ms) that ended `ago` hops ago, at most kPairs - 1.
  std::complex<float> Pair(int f, int ago) const { return At(pairs_[Slot(ago, kPairs)], f); }
  // Sum over four hops (10 ms) that ended `ago` hops ago, at most 4.
  std::complex<float> Quad(int f, int ago) const { return At(quads_[Slot(ago, kQuads)], f); }
  // The four hops before those of Quad(f, 0), in the phase of the latter: a steady tone has the same in both.
  std::complex<float> QuadBefore(int f) const;
  // What turns a sum to the phase of a window that ended two hops later.
  std::complex<float> TwoHops(int f) const;
  // Sum of squares over `hops` hops that ended `ago` hops ago; hops + ago at most kPairs.
  float Energy(int hops, int ago = 0) const;

 private:
  static constexpr int kQuads = 8;
  struct alignas(64) Row {
    std::array<float, 2 * HopBank::kMost> sums{};
  };
  size_t Slot(int ago, int ring) const { return static_cast<size_t>(now_ - ago) & static_cast<size_t>(ring - 1); }
  std::complex<float> At(const Row& row, int f) const { return {row.sums[f], row.sums[bank_->padded() + f]}; }

  const HopBank* bank_;
  unsigned now_ = 0;
  Row last_;                          // the newest hop alone
  std::array<Row, kPairs> pairs_;
  std::array<Row, kQuads> quads_;
  alignas(64) std::array<float, HopBank::kMost> power_{};
  std::array<float, kPairs> energy_{};
};

// The targets that this machine can run, by name, and the one in use; ForceHopBankTarget (tests only) picks one.
std::span<const char* const> HopBankTargets();
bool ForceHopBankTarget(const char* name);

}  // namespace flattone::dsp
