// The caller→agent direction while it is secure: nothing leaves but what a masker gave back, or comfort tone.
//
// Each sound frame is timed from its arrival: not back within `deadline` means comfort tone in its place, and the
// late answer is dropped and counted. At most `unanswered_samples` of sound wait for an answer; after `stall` without
// one the path says so (the hop moves the leg to a second masker). An answer tells that the frames sent before
// it will not be answered. Lost packets stay lost; a packet whose successor has left is dropped.
// When the caller's packets stop while a flat tone is owed, the path makes packets of its own until it is whole: by
// RTP time the tone goes on where it was, by sequence they are put in behind the newest packet.
// Made before the relay turns secure, so that turning cannot fail for memory. Pure; the shard's thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "libs/rtp/packet.h"
#include "services/media-relay/media/comfort_tone.h"
#include "services/media-relay/media/direction.h"
#include "services/media-relay/media/hop_link.h"
#include "services/media-relay/media/recent_sound.h"

namespace flattone::relay {

struct SecureLimits {
  int64_t deadline_ns = 15'000'000;
  int64_t stall_ns = 100'000'000;
  int64_t open_ns = 2'000'000'000;      // a leg that was not opened in this time is tried elsewhere
  int64_t forget_ns = 200'000'000;      // a masker discards frames of this age
  uint32_t unanswered_samples = 480;    // 60 ms
  uint32_t silence_samples = 800;       // comfort begins as silence and becomes the flat tone after 100 ms
  uint32_t settle_samples = 1600;       // a leg that was quiet when stop was asked: masked sound to hear before it opens
  int64_t tone_wait_ns = 40'000'000;    // without a packet while a flat tone is owed: beyond common jitter, it is finished
};

class SecurePath {
 public:
  struct Config {
    uint32_t leg = 0;
    dsp::Law law = dsp::Law::kMu;
    uint8_t payload_type = 0;
    uint16_t samples = 160;
    std::shared_ptr<const ComfortTone> tone;
    SecureLimits limits;
  };
  // One frame's time limit, kept by the shard in arrival order.
  struct Due {
    int64_t at = 0;
    uint32_t leg = 0;
    uint32_t order = 0;
  };

  SecurePath(const Config& config, int64_t now, SpscRing<ToHop>& to_hop);

  // What was heard before the packet that comes now. It goes to the hop while that may be the first that a masker hears:
  // until one has come to an opened leg.
  void TellBefore(const RecentSound& recent);
  // What the packet caused besides output.
  struct Result {
    std::optional<Due> due;
    bool codec_changed = false;
  };
  // A packet of this direction that has passed the source check.
  Result OnRtp(const Way& way, const rtp::PacketView& packet, const PayloadMap& payloads);
  // A new SSRC: the leg is opened anew, comfort tone until then.
  void OnNewSource(const Way& way);
  void OnMasked(const Way& way, const FromHop& answer);
  void OnDue(const Way& way, const Due& due);
  void OnOpened(uint32_t opening);
  void OnLost(const Way& way);
  void OnKeyStarted() { quiet_ = false; }
  void OnQuiet() { quiet_ = true; quiet_since_stop_ = true; }
  // Looks for a stall; call every 20 ms or so.
  void Scan(const Way& way);
  // The next packet of a flat tone whose caller has fallen silent, asked of the masker. Call after Scan() until it
  // gives nothing.
  std::optional<Due> FinishTone(const Way& way);

  void AskStop();
  bool stop_asked() const { return stop_asked_; }
  // True: stop was asked, the masker has heard enough quiet since, and has altered nothing of what was sent meanwhile. Ask
  // with each answer.
  bool TakeOpening();
  // Everything that waits leaves as comfort tone.
  void Flush(const Way& way);

  uint32_t leg() const { return config_.leg; }
  bool opened() const { return opened_; }
  dsp::Law law() const { return config_.law; }

 private:
  struct Frame {
    FrameKind kind = FrameKind::kAudio;
    bool marker = false;
    bool left = false;  // as comfort tone, its answer still to come
    bool made = false;  // by the path, to finish a tone; `sequence` is that of the newest packet before it
    uint8_t payload_type = 0;
    uint16_t sequence = 0;
    uint16_t samples = 0;
    uint16_t octets = 0;  // of the packet's payload
    uint32_t timestamp = 0;
    uint32_t order = 0;
    uint32_t pair = 0;  // what its answer names
    int64_t arrived = 0;
  };
  static constexpr size_t kFrames = 32;

  Result TakePayload(const Way& way, const rtp::PacketView& packet, PayloadKind kind, uint8_t payload_type,
                     std::span<const uint8_t> payload, const PayloadMap& payloads);
  Result TakeRedundancy(const Way& way, const rtp::PacketView& packet, const PayloadMap& payloads);
  Result TakeAudio(const Way& way, Frame frame, PayloadKind kind, std::span<const uint8_t> payload);
  Result Submit(const Way& way, Frame frame, uint32_t event_clock_rate, std::span<const uint8_t> payload);
  bool SendFrame(const Frame& frame, uint32_t event_clock_rate, bool redundant, std::span<const uint8_t> payload);
  bool Carries(PayloadKind kind) const;
  bool Late(const Way& way, uint16_t sequence) const;
  bool OvertakenByTone(const Frame& frame, PayloadKind kind) const;
  void NoteAnswer(const Way& way, const Frame& frame, const FromHop& answer);
  void ForgetTone();
  void ComfortNow(const Way& way, const Frame& frame, obs::Counter& reason);
  // Both: true when a packet has left.
  bool Comfort(const Way& way, const Frame& frame);
  bool Leave(const Way& way, const Frame& frame, uint8_t payload_type, uint32_t timestamp, std::span<const uint8_t> sound);
  // The sequence number to leave with; nothing when the frame's successor has left.
  std::optional<uint16_t> TakeNumber(const Way& way, const Frame& frame, size_t octets);
  uint32_t Unanswered() const;
  Frame* Oldest() { return size_ == 0 ? nullptr : &frames_[first_]; }
  Frame& At(size_t index) { return frames_[(first_ + index) % kFrames]; }
  const Frame& At(size_t index) const { return frames_[(first_ + index) % kFrames]; }
  void PopOldest();
  void Signal(ToHop::Type type);
  bool Say();

  Config config_;
  SpscRing<ToHop>& to_hop_;
  std::array<Frame, kFrames> frames_;  // in the order sent
  size_t first_ = 0, size_ = 0;
  uint32_t order_ = 0;
  bool opened_ = false;
  bool fresh_ = true;     // no packet has come since
  uint32_t opening_ = 0;  // which of the hop's openings that was
  uint8_t unsaid_ = 0;    // signals that found the ring full, by type
  int64_t waiting_since_ = 0;  // since when it wants to be opened
  bool stop_asked_ = false;
  bool quiet_ = false;
  bool quiet_since_stop_ = false;
  uint32_t heard_since_stop_ = 0;  // of sound that nothing was altered in, the newest without a break
  bool altered_ = false;           // the newest sound that came back
  std::optional<uint32_t> awaited_;  // before it opens, the frame that was the newest when all else allowed it
  uint32_t comfort_run_ = 0;
  uint32_t tone_left_ = 0;       // owed, as the newest answer told
  std::optional<uint32_t> tone_timestamp_;  // where it goes on
  int64_t tone_due_ = 0;         // when, should nothing come
  uint32_t made_ = 0;            // frames made so far
  std::optional<uint32_t> made_until_;  // RTP time up to which they have left
  uint8_t foreign_payload_type_ = 0xff;  // the other codec that was reported last
};

}  // namespace flattone::relay
