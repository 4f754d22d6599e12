// Test rig: cuts sound into RTP frames, mixes in events, plays them through a Leg and keeps what leaves.
// Judges are spandsp's receiver and the comparison with the sound that went in.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "services/dtmf-masking/stream/leg.h"

namespace flattone::masking {

// What spandsp's DTMF receiver (with default settings) hears.
std::string HeardBySpandsp(std::span<const int16_t> sound);

struct RigFrame {
  FrameKind kind = FrameKind::kAudio;
  uint32_t timestamp = 0;
  bool marker = false;
  bool redundant = false;
  std::vector<uint8_t> payload;
  bool before = false;
  uint32_t event_clock_rate = 0;
  std::optional<uint16_t> sequence = std::nullopt;
};

class LegRig {
 public:
  static constexpr uint32_t kFirstTimestamp = 0xffff'f000u;  // wraps within the first second

  explicit LegRig(LegOptions options = {}, std::unique_ptr<ToneDetector> detector = nullptr)
      : options_(options), leg_(options, std::move(detector)) {}

  // The sound as audio frames of `packet` samples; timestamp of sample i is kFirstTimestamp + i.
  std::vector<RigFrame> Cut(std::span<const int16_t> sound, int packet = 160) const;
  // An event: packets every 20 ms with the growing duration, then the end packet `ends` times.
  static std::vector<RigFrame> Event(char symbol, int64_t onset, int duration, int ends = 3);
  // Merges by the time at which a frame would be sent (an audio frame at its end, an event at its told end).
  static std::vector<RigFrame> Merge(std::vector<RigFrame> a, std::vector<RigFrame> b);

  // Gives each frame its packet's number, in this order; without, the leg knows of none.
  static std::vector<RigFrame> Number(std::vector<RigFrame> frames);

  void Play(const std::vector<RigFrame>& frames);

  // What has left, at its place on the timeline of RTP (sample i has timestamp kFirstTimestamp + i).
  const std::vector<int16_t>& out() const { return out_; }
  struct Left {
    int64_t at = 0;
    int size = 0;
    bool altered = false, tone = false, filled = false;
    int tone_left = 0;
  };
  const std::vector<Left>& left() const { return left_; }
  const std::string& keys() const { return keys_; }
  const std::vector<Transport>& transports() const { return transports_; }
  const std::vector<uint32_t>& onsets() const { return onsets_; }  // relative to kFirstTimestamp
  int quiet_reports() const { return quiet_; }
  int faults() const { return faults_; }
  int Tones() const;  // flat tones begun
  // Samples of [from, to) that left as they were.
  int64_t Exposed(std::span<const int16_t> in, int64_t from, int64_t to) const;
  void ChangeCodec(dsp::Law law) {
    options_.law = law;
    leg_.ChangeCodec(law, options_.packet_samples);
  }

 private:
  LegOptions options_;
  Leg leg_;
  std::vector<int16_t> out_;
  std::vector<Left> left_;
  std::string keys_;
  std::vector<Transport> transports_;
  std::vector<uint32_t> onsets_;
  int quiet_ = 0, faults_ = 0;
};

}  // namespace flattone::masking
