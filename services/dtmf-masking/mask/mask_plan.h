// Which sound is covered, and where the flat tones lie. Positions are samples of the leg's RTP time.
//
// Detectors cover spans; Decide() is asked once per packet that leaves, in rising order, and covers whole
// packets: a packet that touches a span, or a tone, is masked from its first to its last sample. With packets
// shorter than 20 ms a mask ends on the 20 ms grid. Each counted key asks for one flat tone: it begins with
// the next packet, lasts its constant length, and keeps 20 ms from the one before, so that neither the
// length of a press nor its exact time can be heard.
#pragma once

#include <array>
#include <cstdint>

namespace flattone::masking {

class MaskPlan {
 public:
  static constexpr int kGrid = 160;       // 20 ms
  static constexpr int kTailHold = 80;    // 10 ms after the last suspicion, which is told in steps of 5 ms
  static constexpr int kMostWaiting = 8;  // tones asked for and not yet begun

  explicit MaskPlan(int tone_samples) : tone_samples_(tone_samples) {}

  // A key may have sounded within [from, to): covered, with the tail hold behind it.
  void Suspect(int64_t from, int64_t to) { Cover(from, to + kTailHold); }
  // Covered exactly. At most 2 s ahead of what has left.
  void Cover(int64_t from, int64_t to);
  // An event that has not ended covers all until `to`; a new call replaces the old.
  void CoverOpen(int64_t to) { open_until_ = to; }
  // One more key. False when too many wait: the sound is masked all the same.
  bool AskTone();

  struct Decision {
    bool masked = false;
    int64_t tone_begin = 0, tone_end = 0;  // the tone's samples within the packet; equal: none
    int64_t tone_offset = 0;               // of tone_begin within the tone
  };
  Decision Decide(int64_t from, int64_t to);
  // A tone is sounding or waiting at `position`.
  bool TonePending(int64_t position) const { return waiting_ > 0 || position < tone_end_; }
  // From what was decided last to the end of the last tone that was asked for; 0: none.
  int64_t ToneLeft() const;

 private:
  static constexpr int kCell = 20;
  static constexpr int kCells = 1024;
  bool Covered(int64_t from, int64_t to) const;

  const int tone_samples_;
  std::array<int64_t, kCells> covered_{};  // cell number + 1, so that zero is none
  int64_t open_until_ = INT64_MIN;
  int64_t decided_ = INT64_MIN;
  int64_t tone_begin_ = INT64_MIN / 2, tone_end_ = INT64_MIN / 2;
  int waiting_ = 0;
  bool last_masked_ = false;
};

}  // namespace flattone::masking
