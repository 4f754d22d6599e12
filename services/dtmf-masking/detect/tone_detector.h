// "May a key be sounding?" asked every 2.5 ms: the liberal one of the two thresholds. It decides what is
// masked, never what is counted as a digit (that is DigitDetector). Behind an interface, because a trained
// detector will take the place of the rule.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace flattone::masking {

inline constexpr int kHop = 20;  // samples: 2.5 ms

class ToneDetector {
 public:
  virtual ~ToneDetector() = default;
  // The next kHop samples on the 16-bit scale; `known` of them were really heard, the others are zero.
  // True when a key may have sounded within the last reach() samples.
  virtual bool Push(std::span<const int16_t> hop, int known) = 0;
  // How many samples back a "true" speaks for.
  virtual int reach() const = 0;
  // Forgets all sound.
  virtual void Reset() = 0;
};

// A rule written by hand. In a window as long as the look-ahead (10 to 20 ms): the strongest tone of the low
// band (650–1000 Hz) and of the high band (1150–1710 Hz) together hold a good share of the sound, stand clear
// of every third tone, are not too far apart in level, and both lie near a key's frequency. Once on, the
// share may fall further.
std::unique_ptr<ToneDetector> MakeRuleDetector(int lookahead_samples);

}  // namespace flattone::masking
