// Counts of one direction of a call, and what is needed to keep them.
#pragma once

#include <cstdint>

#include "libs/rtp/sequence.h"

namespace flattone::relay {

struct DirectionCounts {
  uint64_t packets_received = 0;
  uint64_t octets_received = 0;
  uint64_t packets_sent = 0;
  uint64_t dropped_source = 0;
  uint64_t dropped_malformed = 0;
  uint64_t dropped_payload_type = 0;
  uint64_t dropped_late = 0;
  uint64_t dropped_no_address = 0;
  uint64_t frames_masked = 0;
  uint64_t frames_altered = 0;
  uint64_t frames_comfort = 0;
  uint64_t events_received = 0;
  uint64_t rtcp_received = 0;
  uint64_t rtcp_sent = 0;
  uint64_t rtcp_dropped = 0;
};

// Loss and jitter of what arrives (RFC 3550 §6.4.1, appendix A.8).
class Reception {
 public:
  void Packet(int64_t now_ns, uint16_t sequence, uint32_t timestamp, uint32_t clock_rate) {
    const int64_t extended = unwrapper_.Unwrap(sequence);
    if (received_ == 0) first_ = highest_ = extended;
    if (extended > highest_) highest_ = extended;
    ++received_;
    const int64_t arrival = now_ns / 1000 * clock_rate / 1'000'000;
    const auto transit = static_cast<int32_t>(static_cast<uint32_t>(arrival) - timestamp);
    if (received_ > 1 && clock_rate == clock_rate_) {
      const int64_t difference = transit > transit_ ? int64_t{transit} - transit_ : int64_t{transit_} - transit;
      // Beyond ten seconds it is a new timeline, not jitter.
      if (difference < 10 * int64_t{clock_rate}) jitter_16_ += difference - ((jitter_16_ + 8) >> 4);
    }
    transit_ = transit;
    clock_rate_ = clock_rate;
  }
  // A new SSRC: keeps what was lost before.
  void Restart() {
    lost_before_ = Lost();
    unwrapper_ = rtp::SequenceUnwrapper();
    received_ = 0;
  }
  uint64_t Lost() const {
    if (received_ == 0) return lost_before_;
    const int64_t expected = highest_ - first_ + 1;
    return lost_before_ + (expected > received_ ? static_cast<uint64_t>(expected - received_) : 0);
  }
  uint64_t JitterMicros() const {
    return clock_rate_ == 0 ? 0 : static_cast<uint64_t>(jitter_16_ / 16) * 1'000'000 / clock_rate_;
  }

 private:
  rtp::SequenceUnwrapper unwrapper_;
  int64_t first_ = 0, highest_ = 0, received_ = 0;
  int64_t jitter_16_ = 0;
  int32_t transit_ = 0;
  uint32_t clock_rate_ = 0;
  uint64_t lost_before_ = 0;
};

}  // namespace flattone::relay
