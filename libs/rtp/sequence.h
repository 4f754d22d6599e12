// Sequence numbers and timestamps wrap (RFC 3550 §5.1): compare them by distance, never by value.
#pragma once

#include <cstdint>

namespace flattone::rtp {

// How far `a` is ahead of `b`; negative when it is behind. Exact within half the number space.
inline int16_t SequenceDistance(uint16_t a, uint16_t b) { return static_cast<int16_t>(static_cast<uint16_t>(a - b)); }
inline int32_t TimestampDistance(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b); }

inline bool SequenceNewer(uint16_t a, uint16_t b) { return SequenceDistance(a, b) > 0; }
inline bool TimestampNewer(uint32_t a, uint32_t b) { return TimestampDistance(a, b) > 0; }

// Counts cycles, so that sequence numbers become 64-bit and never wrap. Feed it in any order.
class SequenceUnwrapper {
 public:
  // The unwrapped number nearest to the last one; the first gives itself, plus one cycle so that what
  // arrives late from before it stays positive.
  int64_t Unwrap(uint16_t sequence) {
    if (!started_) {
      started_ = true;
      last_ = 0x10000 + int64_t{sequence};
      return last_;
    }
    last_ += SequenceDistance(sequence, static_cast<uint16_t>(last_));
    return last_;
  }

 private:
  bool started_ = false;
  int64_t last_ = 0;
};

// The same for timestamps; every decision about sound is made on these.
class TimestampUnwrapper {
 public:
  int64_t Unwrap(uint32_t timestamp) {
    if (!started_) {
      started_ = true;
      last_ = 0x100000000 + int64_t{timestamp};
      return last_;
    }
    last_ += TimestampDistance(timestamp, static_cast<uint32_t>(last_));
    return last_;
  }

 private:
  bool started_ = false;
  int64_t last_ = 0;
};

}  // namespace flattone::rtp
