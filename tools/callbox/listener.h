// What one side of a call hears: statistics, and a recording that is true in time: each sample lies where its RTP
// timestamp says, what was lost is silence, and telephone-events sound as a telephone would play them, so that a
// listener for keys finds them however they came. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tools/callbox/g711.h"

namespace flattone::call {

// Counts of 0.1 ms; what lies beyond the last goes into the last.
class DelayHistogram {
 public:
  void Add(int64_t nanos);
  // In milliseconds; 0 if nothing was added.
  double Quantile(double share) const;
  double max_ms() const { return static_cast<double>(max_) / 1e6; }
  int64_t count() const { return count_; }

 private:
  std::array<uint32_t, 2000> bins_{};
  int64_t count_ = 0;
  int64_t max_ = 0;
};

// When the last packets of a stream left, by RTP timestamp, for the other side's delay.
class SendTimes {
 public:
  void Sent(uint32_t ssrc, uint32_t timestamp, int64_t nanos);
  // When it left, or 0 if not known.
  int64_t Of(uint32_t ssrc, uint32_t timestamp) const;

 private:
  struct Entry {
    uint32_t ssrc = 0, timestamp = 0;
    int64_t nanos = 0;
  };
  std::array<Entry, 256> ring_{};
};

struct ListenerStats {
  int64_t packets = 0, bytes = 0;
  int64_t lost = 0;        // sequence numbers that never came
  int64_t duplicates = 0;  // the same sequence number again
  int64_t reordered = 0;   // came after a higher sequence number
  int64_t event_packets = 0;
  int64_t other_payload_type = 0;
  int64_t malformed = 0;
  int64_t ssrc_changes = 0;
  double jitter_ms = 0;    // RFC 3550 section 6.4.1
  int64_t max_gap_ns = 0;  // longest time without a packet
};

class Listener {
 public:
  struct Options {
    int event_payload_type = 101;
    bool record = false;
    int64_t max_samples = 3600LL * 8000;  // a recording ends there
  };
  explicit Listener(const Options& options) : options_(options) {}

  // Sample 0 of the recording is this timestamp of this stream; without it, the first packet is sample 0.
  void Anchor(uint32_t ssrc, uint32_t timestamp);
  void OnPacket(std::span<const uint8_t> packet, int64_t arrival_ns);

  const ListenerStats& stats() const { return stats_; }
  const std::vector<int16_t>& samples() const { return samples_; }
  // Which samples some packet brought; the rest is loss.
  const std::vector<bool>& filled() const { return filled_; }
  // The stream heard last.
  uint32_t ssrc() const { return ssrc_; }
  uint32_t highest_sequence() const { return static_cast<uint32_t>(highest_); }
  // Packets of the stream so far, those that were lost included.
  int64_t expected() const { return stats_.packets - stats_.duplicates + stats_.lost; }

 private:
  int64_t Place(uint32_t ssrc, uint32_t timestamp, int64_t arrival_ns);
  void CountSequence(uint16_t sequence);
  void CountJitter(uint32_t timestamp, int64_t arrival_ns);
  void WriteAudio(int64_t at, Codec codec, std::span<const uint8_t> payload);
  void WriteEvent(int64_t at, std::span<const uint8_t> payload);
  bool Grow(int64_t at, int64_t length);

  Options options_;
  ListenerStats stats_;
  std::vector<int16_t> samples_;
  std::vector<bool> filled_;
  bool anchored_ = false, started_ = false;
  uint32_t ssrc_ = 0, base_timestamp_ = 0;
  int64_t base_sample_ = 0, last_offset_ = 0;
  int64_t first_arrival_ = 0, last_arrival_ = 0;
  bool sequence_known_ = false;
  int64_t highest_ = 0, lowest_ = 0;
  std::array<bool, 1024> seen_{};
  bool transit_known_ = false;
  double transit_ = 0, jitter_ = 0;
};

}  // namespace flattone::call
