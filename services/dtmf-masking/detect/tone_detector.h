// "May a key be sounding?" asked all the time: the liberal one of the two thresholds. It decides what is
// masked, never what is counted as a digit (that is DigitDetector). Behind an interface, so that a test can take
// the trained detector's place.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "services/dtmf-masking/detect/tone_features.h"

namespace flattone::masking {

class ToneDetector {
 public:
  virtual ~ToneDetector() = default;
  // The next kHop samples on the 16-bit scale; `known` of them were really heard, the others are zero.
  // True when a key may have sounded in what span() tells.
  virtual bool Push(std::span<const int16_t> hop, int known) = 0;
  // What the last "true" speaks for: samples [end - from, end - to), where `end` is the end of the hop just pushed.
  struct Span {
    int from, to;
  };
  virtual Span span() const = 0;
  // Forgets all sound.
  virtual void Reset() = 0;
};

// The trained one (tree_model.h). It speaks for the 5 ms that began 20 ms ago and the hop before them: an onset in the
// last samples of a stretch shows only in the next. Once on, two units of log odds less keep it on.
std::unique_ptr<ToneDetector> MakeTrainedDetector();

}  // namespace flattone::masking
