// The secure path's own packets: a flat tone whose caller has fallen silent is finished.
#include "services/media-relay/media/secure_path.h"

#include "libs/rtp/sequence.h"

namespace flattone::relay {
namespace {
constexpr uint32_t kMade = 0x1'0000;  // answers to frames that the path made name numbers no packet has
constexpr int32_t kLateAtMost = 8000;  // 1 s: what lies further back is of another timeline, not late
}  // namespace

void SecurePath::NoteAnswer(const Way& way, const Frame& frame, const FromHop& answer) {
  if (frame.kind != FrameKind::kEvent || answer.size != 0) {  // an event without sound of its own says nothing about sound
    altered_ = answer.altered;
    // Suspicion is enough: a key is accepted only 30 ms behind its onset.
    if (stop_asked_) heard_since_stop_ = altered_ ? 0 : heard_since_stop_ + answer.size;
  }
  tone_left_ = answer.tone_left;
  if (answer.size != 0) tone_timestamp_ = answer.timestamp + answer.size;
  if (tone_left_ == 0) return;
  tone_due_ = std::max(tone_due_, way.now);
}

void SecurePath::ForgetTone() {
  tone_left_ = 0;
  tone_timestamp_.reset();
}

// One frame in flight asks for one packet; the masker says with each how much is left.
std::optional<SecurePath::Due> SecurePath::FinishTone(const Way& way) {
  if (tone_left_ == 0 || !tone_timestamp_ || !opened_ || way.now < tone_due_) return std::nullopt;
  if (size_ == kFrames || !way.direction.rewriter.started()) return std::nullopt;
  uint32_t asked = 0;
  for (size_t i = 0; i < size_; ++i) {
    if (!At(i).made) return std::nullopt;  // a packet's answer is still to come
    asked += At(i).samples;
  }
  if (asked >= tone_left_) return std::nullopt;
  Frame frame{.kind = FrameKind::kComfortNoise, .made = true, .payload_type = config_.payload_type,
              .sequence = way.direction.rewriter.newest_ingress(), .samples = config_.samples,
              .timestamp = *tone_timestamp_ + asked, .pair = kMade | (++made_ & 0xffff), .arrived = way.now};
  tone_due_ += int64_t{config_.samples} * 1'000'000'000 / 8000;
  made_until_ = frame.timestamp + frame.samples;
  return Submit(way, frame, 0, {}).due;
}

// The caller was not silent, only late: the tone has left in this packet's time, and its sound is evidence alone.
bool SecurePath::OvertakenByTone(const Frame& frame, PayloadKind kind) const {
  if (!made_until_ || !IsAudio(kind)) return false;
  const int32_t ahead = rtp::TimestampDistance(frame.timestamp, *made_until_);
  return ahead < 0 && ahead >= -kLateAtMost;
}

}  // namespace flattone::relay
