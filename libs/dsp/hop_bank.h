// Fourier sums at chosen frequencies over the newest one, two and four hops of one channel, made hop by hop.
//
//   static const HopBank bank(frequencies, 40);      // once per process: tables only; hops of 5 ms
//   HopWindows<48, 16, 1> windows(bank);             // once per channel
//   windows.Push(hop);                               // 40 new samples
//   windows.power();                                 // |sum over four hops|², one per frequency
//   windows.One(f, 4);                               // the complex sum over one hop, four hops ago
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
  static constexpr int kMost = 48;      // frequencies
  static constexpr int kLanes = 8;      // frequencies side by side
  static constexpr int kMostHop = 40;   // samples

  // At most kMost frequencies in Hz; an even number of samples in a hop, a multiple of four, at most kMostHop.
  HopBank(std::span<const double> hz, int hop);
  int size() const { return size_; }
  int padded() const { return tables_.padded; }  // size, in whole registers
  int hop() const { return 2 * tables_.half; }

  // Each table: [k][re of all, im of all], `2 * padded` floats a row.
  struct Tables {
    int padded = 0, half = 0;
    // e^{-iω(k - (hop - 1) / 2)}: about the hop's middle, so that its other half is the mirror
    alignas(64) std::array<float, kMostHop / 2 * 2 * kMost> turn{};
    alignas(64) std::array<float, 3 * 2 * kMost> back{};  // e^{iω·hop·n}: n = 1, 2, 4
  };
  const Tables& tables() const { return tables_; }
  // What the vector code does with one hop; each sum is laid out like a table's row.
  struct Step {
    const float* even;      // half a hop: sample k plus its mirror
    const float* odd;       // half a hop: sample k minus its mirror
    const float* one_back;  // the hop before
    float* one;
    const float* two_back;  // two hops ago
    float* two;
    float* four;
    float* power;
  };
  void Advance(const Step& step) const;
  // Splits a hop into even and odd; its sum of squares.
  float Split(std::span<const int16_t> hop, float* even, float* odd) const;

 private:
  int size_;
  Tables tables_;
};

// kWidth: room for frequencies, a multiple of kLanes and at least the bank's. kOnes, kFours: how many hops back sums over one
// and over four hops are kept, powers of two, kOnes at least 8.
template <int kWidth, int kOnes, int kFours>
class HopWindows {
 public:
  // The bank has exactly kWidth frequencies, padding included.
  explicit HopWindows(const HopBank& bank) : bank_(&bank) {}
  // Exactly a hop's samples on the 16-bit scale.
  void Push(std::span<const int16_t> hop) {
    alignas(64) std::array<float, HopBank::kMostHop / 2> even, odd;
    ++now_;
    energy_[Slot(0, kOnes)] = bank_->Split(hop, even.data(), odd.data());
    bank_->Advance({.even = even.data(),
                    .odd = odd.data(),
                    .one_back = ones_[Slot(1, kOnes)].sums.data(),
                    .one = ones_[Slot(0, kOnes)].sums.data(),
                    .two_back = twos_[Slot(2, 4)].sums.data(),
                    .two = twos_[Slot(0, 4)].sums.data(),
                    .four = fours_[Slot(0, kFours)].sums.data(),
                    .power = power_.data()});
  }
  // Forgets all sound.
  void Reset() { *this = HopWindows(*bank_); }

  // |sum|² over four hops. A pure sine of amplitude A at the frequency gives |sum| = A · samples / 2.
  std::span<const float> power() const { return {power_.data(), static_cast<size_t>(bank_->size())}; }
  // Sum over the hop that ended `ago` hops ago, less than kOnes.
  std::complex<float> One(int f, int ago) const { return At(ones_[Slot(ago, kOnes)], f); }
  // Sum over four hops that ended `ago` hops ago, less than kFours.
  std::complex<float> Four(int f, int ago) const { return At(fours_[Slot(ago, kFours)], f); }
  // The four hops before those of Four(f, 0), in the phase of the latter: a steady tone has the same in both.
  std::complex<float> FourBefore(int f) const
    requires(kFours > 4)
  {
    const std::complex<float> a = Four(f, 4), b = Back(f, 2);
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
  }
  // What turns a sum to the phase of a window that ended one hop later.
  std::complex<float> Turn(int f) const { return Back(f, 0); }
  // Sum of squares over `hops` hops that ended `ago` hops ago; hops + ago at most kOnes.
  float Energy(int hops, int ago = 0) const {
    float sum = 0;
    for (int h = 0; h < hops; ++h) sum += energy_[Slot(ago + h, kOnes)];
    return sum;
  }

 private:
  static_assert(kWidth % HopBank::kLanes == 0 && kWidth <= HopBank::kMost && kOnes >= 8);
  struct alignas(64) Row {
    std::array<float, 2 * kWidth> sums{};
  };
  size_t Slot(int ago, int ring) const { return static_cast<size_t>(now_ - ago) & static_cast<size_t>(ring - 1); }
  std::complex<float> At(const Row& row, int f) const { return {row.sums[f], row.sums[kWidth + f]}; }
  std::complex<float> Back(int f, int n) const {
    const float* row = bank_->tables().back.data() + n * 2 * kWidth;
    return {row[f], row[kWidth + f]};
  }

  const HopBank* bank_;
  unsigned now_ = 0;
  std::array<Row, kOnes> ones_;
  std::array<Row, 4> twos_;
  std::array<Row, kFours> fours_;
  alignas(64) std::array<float, kWidth> power_{};
  std::array<float, kOnes> energy_{};
};

// The targets that this machine can run, by name, and the one in use; ForceHopBankTarget (tests only) picks one.
std::span<const char* const> HopBankTargets();
bool ForceHopBankTarget(const char* name);

}  // namespace flattone::dsp
