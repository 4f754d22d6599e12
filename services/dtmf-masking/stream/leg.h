// One caller→agent direction while it is masked: a frame in, the frame that leaves in its place out, and keys.
//
//   Leg leg(options);
//   Leg::Report report;
//   Leg::Answer answer = leg.Take(frame, out, report);   // at most one frame out per frame in
//
// Pure: no clock, no I/O, no allocation per frame; every decision is made on RTP timestamps. The sound, not
// the packet, is delayed: the answer keeps the frame's timestamp and carries the masked sound of `lookahead`
// samples earlier. Sound that was never heard (before the start, lost packets) leaves as background noise.
// Lost packets stay lost; a packet whose successor has left gets no answer, but its sound still counts as
// evidence of a key. A key that sounded when the leg began is masked and not counted; frames marked `before`, ahead
// of the first, say what that was, so that a key which begins with the first frame counts.
// One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "libs/dsp/g711.h"
#include "libs/dsp/noise.h"
#include "services/dtmf-masking/detect/digit_detector.h"
#include "services/dtmf-masking/detect/tone_detector.h"
#include "services/dtmf-masking/events/event_tracker.h"
#include "services/dtmf-masking/mask/flat_tone.h"
#include "services/dtmf-masking/mask/mask_plan.h"
#include "services/dtmf-masking/stream/key_merger.h"
#include "services/dtmf-masking/stream/sound_line.h"

namespace flattone::masking {

enum class FrameKind : uint8_t { kAudio, kEvent, kComfortNoise };

struct InFrame {
  FrameKind kind = FrameKind::kAudio;
  uint32_t timestamp = 0;
  bool marker = false;
  bool redundant = false;       // evidence only: no answer
  bool before = false;          // heard before the leg began: evidence only, and its sound never leaves
  std::optional<uint16_t> sequence = std::nullopt;  // the packet's; tells a leap of the sender's clock from a pause
  uint32_t event_clock_rate = 0;  // 0: 8000
  std::span<const uint8_t> payload;
};

struct LegOptions {
  dsp::Law law = dsp::Law::kMu;
  int packet_samples = 160;  // until the first audio frame tells
  int lookahead = 160;       // kLeastLookahead to 480
  FlatToneOptions flat_tone;
  uint32_t noise_seed = 1;
};

class Leg {
 public:
  static constexpr int kMostSamples = 960;          // per frame
  static constexpr int64_t kQuietSamples = 24'000;  // 3 s
  static constexpr int64_t kReorderWait = 480;      // how long the digits wait for a missing packet

  static constexpr int kLeastLookahead = ToneFeatures::kAhead;  // the detector was trained for it

  // The masks' detector may be replaced; nullptr: the trained one.
  explicit Leg(const LegOptions& options, std::unique_ptr<ToneDetector> detector = nullptr);

  struct Key {
    char symbol = 0;
    uint32_t rtp_onset = 0;
    Transport transport = Transport::kInBand;
  };
  struct Report {
    static constexpr int kMostKeys = 32;
    std::array<Key, kMostKeys> keys;  // the caller overwrites them after use: Wipe()
    int key_count = 0;
    bool quiet = false;        // now: no key for three seconds
    const char* fault = nullptr;  // a constant text
    ~Report() { Wipe(); }
    void Wipe();
  };
  struct Answer {
    bool send = false;         // false: nothing leaves (late, or a repeat)
    uint32_t timestamp = 0;
    int size = 0;              // octets in `out`; 0 with send: an event that gets no sound
    bool altered = false;
    bool filled = false;       // some of it was never heard
    bool masked = false;
    bool tone = false;         // holds flat tone
    int tone_left = 0;         // samples of flat tone still to leave, pauses included
  };
  // `out` has room for kMostSamples.
  Answer Take(const InFrame& frame, std::span<uint8_t> out, Report& report);

  // The codec changed: sound kept in the old one is dropped (noise leaves in its place).
  void ChangeCodec(dsp::Law law, int packet_samples);
  bool quiet() const { return quiet_; }
  uint32_t keys() const { return keys_; }

 private:
  int64_t Unwrap(uint32_t timestamp);
  bool Leaps(const InFrame& frame, int64_t position) const;
  void HearBefore(const InFrame& frame);
  void TakeSound(int64_t position, const InFrame& frame);
  void NoteNewest(int64_t position, uint32_t timestamp);
  bool BeganBefore(int64_t tone_onset) const;
  bool BeganBefore(const EventTracker::Span& span, bool alone) const;
  void Restart(int64_t position, bool held);
  void ForgetBefore(int64_t position, bool held = false);
  void TakeEvent(const InFrame& frame, int64_t position, Report& report);
  std::optional<int64_t> EventSlot();
  void Listen(Report& report);
  bool PassOver(int64_t& cursor) const;
  void ListenForMask();
  void ListenForDigits(Report& report);
  void Count(int key, int64_t onset, Transport transport, Report& report);
  Answer Leave(int64_t position, int samples, std::span<uint8_t> out);
  void CheckQuiet(Report& report);
  int Hear(int64_t at, std::span<int16_t, kHop> hop) const;
  bool AllHeard(int64_t from, int64_t to) const;

  dsp::Law law_;
  int packet_samples_;
  const int lookahead_;
  const FlatToneOptions tone_options_;
  FlatTone tone_;
  std::unique_ptr<ToneDetector> detector_;
  DigitDetector digits_;
  EventTracker events_;
  KeyMerger merger_;
  MaskPlan plan_;
  SoundLine line_;
  dsp::BackgroundLevel background_;
  dsp::ComfortNoise noise_;

  bool begun_ = false;        // a position is known
  bool in_earnest_ = false;   // a frame that is not `before` has come
  bool heard_before_ = false;  // enough sound from before the start to see an onset behind it
  bool event_before_ = false;  // and an event
  uint32_t last_timestamp_ = 0;
  int64_t last_position_ = 0;
  int64_t origin_ = 0;        // where the leg (or the sound after a break) began
  bool first_stretch_ = true;
  int64_t left_ = 0;          // one past the newest position that has left
  int64_t mask_cursor_ = 0, digit_cursor_ = 0;
  int64_t now_ = 0;           // newest RTP position heard of
  int64_t last_audio_ = INT64_MIN / 2;
  int64_t last_key_ = 0;
  int suspicion_hops_ = 0;
  std::optional<uint16_t> next_audio_;  // the number of a packet that goes on where the newest sound ended
  std::optional<uint32_t> event_timestamp_;  // of the newest packet of events, as it came, and its place
  int64_t event_position_ = 0;
  int64_t event_onset_ = 0, event_end_ = 0;  // the newest event
  bool event_ended_ = true;
  bool quiet_ = false;
  uint32_t keys_ = 0;
};

}  // namespace flattone::masking
