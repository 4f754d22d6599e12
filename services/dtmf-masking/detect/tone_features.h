// What the trained detector knows of the sound around a stretch of 5 ms: the numbers that its trees were
// trained on and that they are asked with. One implementation serves both (tools/train-detector runs it).
//
// Every second hop ends a window of 20 ms. When two tones of the key bands may be in it (a cheap look at the
// window's spectrum: Glance), it is analysed: which two tones, how near to a key's frequencies, how much of the
// sound they are, how steady within the window and how new against the 20 and 50 ms before. The question then
// is whether a key sounds in the 5 ms that began one look-ahead ago: the window that begins with them, the one
// that ends with them and one in between give the answer.
#pragma once

#include <array>
#include <complex>
#include <cstdint>
#include <span>

#include "libs/dsp/hop_bank.h"

namespace flattone::masking {

inline constexpr int kHop = 20;  // samples: 2.5 ms

class ToneFeatures {
 public:
  static constexpr int kPerWindow = 32;
  static constexpr int kBetween = 6;
  static constexpr int kCount = 3 * kPerWindow + kBetween;
  static constexpr int kStride = 2;   // hops from one question to the next
  static constexpr int kAsked = kStride * kHop;  // samples that one question is about
  static constexpr int kAhead = 160;  // they began so many samples before the newest end

  ToneFeatures();
  // The next kHop samples on the 16-bit scale; `known` of them were heard, the others are zero. kNone: no question
  // at this hop.
  enum class Answer { kNone, kImpossible, kPossible };
  Answer Push(std::span<const int16_t> hop, int known);
  // The numbers behind the last kPossible.
  void Fill(std::span<float, kCount> out) const;
  void Reset();

 private:
  struct Window {
    bool possible = false;
    float low_hz = 0, high_hz = 0;
    std::array<float, kPerWindow> x{};
  };
  struct Tone {
    int at = 0, second = 0;        // grid places
    float power = 0, second_power = 0;
    float band = 0;                // sum over the band
    float hz = 0;
    float energy = 0, newer_energy = 0, older_energy = 0;  // of the tone alone, sums of squares
    float steady = 0, even = 0, before = 0, long_steady = 0;
  };
  bool Glance(Tone& low, Tone& high) const;
  void Follow(Tone& tone) const;
  void Describe(const Tone& low, const Tone& high, Window& window) const;
  const Window& Back(unsigned windows) const { return windows_[(now_ / kStride - windows) & 3]; }
  int Known() const;

  dsp::HopWindows<48, 16, 1> sums_;  // in hops of kAsked samples
  std::array<int16_t, kAsked> heard_{};
  std::array<Window, 4> windows_;  // the newest four, 5 ms apart
  std::array<int, 8> known_{};
  unsigned now_ = 0;
};

}  // namespace flattone::masking
