// What one side of a call sends: sound and keys become RTP packets. Pure: no socket and no clock; the engine asks
// for the packets of the next moment and is told how long to wait for the one after it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "tools/callbox/g711.h"
#include "tools/callbox/keys.h"

namespace flattone::call {

inline constexpr size_t kMaxPacket = 1500;

struct Packet {
  std::vector<uint8_t> bytes;
  bool rtcp = false;
};

class Source {
 public:
  virtual ~Source() = default;
  // Appends the packets of this moment. Nanoseconds until the next moment; negative: nothing is left.
  virtual int64_t Next(std::vector<Packet>& out) = 0;
};

struct TalkerOptions {
  Codec codec = Codec::kPcmu;
  int ptime_ms = 20;
  int event_payload_type = 101;
  KeyTransport transport = KeyTransport::kInband;
  uint32_t ssrc = 1;
  uint16_t first_sequence = 0;
  uint32_t first_timestamp = 0;
  double drift_ppm = 0;  // this side's clock runs fast by so much
  bool loop = false;     // start the sound again at its end; otherwise silence follows
};

// Where a key lies in what was sent, in samples from the first one; never which key.
struct KeySpan {
  int64_t at = 0;
  int64_t length = 0;
};

class Talker final : public Source {
 public:
  Talker(const TalkerOptions& options, std::shared_ptr<const std::vector<int16_t>> sound);

  int64_t Next(std::vector<Packet>& out) override;

  // Presses the keys from the next packet on, or `gap` samples after those still waiting.
  void Press(std::span<const KeyPress> keys, int64_t gap);
  bool typing() const { return !keys_.empty(); }
  int64_t position() const { return position_; }  // samples sent so far
  const std::vector<KeySpan>& pressed() const { return pressed_; }
  const TalkerOptions& options() const { return options_; }

 private:
  int16_t Voice(int64_t at) const;
  int16_t SampleAt(int64_t at);
  void Audio(std::vector<Packet>& out);
  bool Events(std::vector<Packet>& out);
  void Header(std::vector<uint8_t>& bytes, int payload_type, uint32_t timestamp, bool marker);

  TalkerOptions options_;
  std::shared_ptr<const std::vector<int16_t>> sound_;
  int64_t frame_;
  int64_t position_ = 0;
  uint16_t sequence_;
  bool marker_ = true;
  std::deque<KeyPress> keys_;  // `at` counts from the first sample sent
  Tone tone_;
  int64_t tone_of_ = -1;  // onset of the key that tone_ is for
  std::vector<KeySpan> pressed_;
};

}  // namespace flattone::call
