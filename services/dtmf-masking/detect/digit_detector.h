// "Which key, and is it one?" after ITU-T Q.24: the strict one of the two thresholds. A key counts after
// about 30 ms of a clean pair (40 ms always do, 23 ms never), frequencies within 2.3 % (1.5 % always, 3.5 %
// never), twist +8 to −10 dB, −40 dBm0 and above. It lasts while both tones are there, so a held key is one
// key; breaks of up to 20 ms and lost packets up to 80 ms are bridged, a pause of 40 ms ends it.
#pragma once

#include <array>
#include <complex>
#include <cstdint>
#include <optional>
#include <span>

#include "libs/dsp/hop_bank.h"

namespace flattone::masking {

class DigitDetector {
 public:
  DigitDetector();

  struct Started {
    int key;        // index in dsp::kKeypad
    int age;        // samples from its onset to the end of the hop just pushed
  };
  // The next 20 samples; `known` of them were heard, the others are zero. A key that now counts, once.
  std::optional<Started> Push(std::span<const int16_t> hop, int known);
  // A counted key is still sounding.
  bool sounding() const { return active_ >= 0; }
  void Reset();

 private:
  struct Reading {
    int row = 0, column = 0;
    double low = 0, high = 0;  // mean squares of the two tones
    bool clean = false;        // Q.24 in every point
  };
  bool Glance() const;
  Reading Read();
  bool StillThere();
  std::optional<Started> Consider(const Reading& reading);
  void Forget();

  dsp::HopWindows<8, 8, 8> sums_;
  std::array<std::complex<float>, 8> newer_{}, older_{};
  std::array<int, 8> known_{};
  int heard_ = 0;  // sum of known_
  int at_ = 0;
  int active_ = -1;                   // counted and sounding
  double active_low_ = 0, active_high_ = 0;
  int absent_ = 0, unknown_ = 0;      // hops
  int candidate_ = -1;
  int good_ = 0, missed_ = 0, candidate_age_ = 0;
};

}  // namespace flattone::masking
