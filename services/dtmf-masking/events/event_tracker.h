// RFC 4733 telephone-event packets in, one key per event out. Repeated, lost and reordered start and end
// packets, several events in one packet, events longer than 65,535 units, and senders that move the timestamp
// within an event all give one key. Positions are samples of the leg's unwrapped RTP time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace flattone::masking {

class EventTracker {
 public:
  EventTracker() { told_.fill(INT64_MIN); }

  struct Span {
    int key = -1;          // index in dsp::kKeypad; -1: an event that is no key
    int64_t onset = 0;
    int64_t end = 0;       // as far as told
    bool first = false;    // seen for the first time: a key press
    bool ended = false;
  };
  static constexpr int kMostSpans = 32;

  // One packet (or one redundant block). Writes what it told into `out` and returns how many; -1 when the payload
  // is malformed. `to_leg` scales durations: leg clock / event clock.
  int Take(int64_t position, bool marker, std::span<const uint8_t> payload, double to_leg,
           std::span<Span, kMostSpans> out);

 private:
  struct Seen {
    int64_t onset = INT64_MIN;
    int64_t end = INT64_MIN;
    int key = -1;
    bool ended = false;
  };
  Seen* Find(int64_t onset, int64_t end, int key, bool marker, bool opens_packet);
  bool WasTold(int64_t onset, int key) const;

  std::array<Seen, 4> seen_{};  // few: the masker keeps no history of a card
  int next_ = 0;
  std::array<int64_t, kMostSpans> told_;  // onsets without their keys: a packet of many events may come again
  int next_told_ = 0;
};

}  // namespace flattone::masking
