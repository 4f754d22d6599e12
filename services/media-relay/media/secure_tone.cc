// The secure path's own packets: a flat tone whose caller has fallen silent is finished.
#include "services/media-relay/media/secure_path.h"

#include "libs/rtp/sequence.h"

namespace flattone::relay {
namespace {
constexpr uint32_t kMade = 0x1'0000;  // answers to frames that the path made name numbers no packet has
}  // namespace

void SecurePath::NoteAnswer(const Way& way, const FromHop& answer) {
  tone_left_ = answer.tone_left;
  if (answer.size != 0) tone_timestamp_ = answer.timestamp + answer.size;
  if (tone_left_ == 0) return;
  tone_due_ = std::max(tone_due_, way.now);
}

void SecurePath::ForgetTone() { tone_left_ = 0; }

// One frame in flight asks for one packet; the masker says with each how much is left.
std::optional<SecurePath::Due> SecurePath::FinishTone(const Way& way) {
  if (tone_left_ == 0 || !opened_ || way.now < tone_due_ || size_ == kFrames || !way.direction.rewriter.started()) return std::nullopt;
  uint32_t asked = 0;
  for (size_t i = 0; i < size_; ++i) {
    if (!At(i).made) return std::nullopt;  // a packet's answer is still to come
    asked += At(i).samples;
  }
  if (asked >= tone_left_) return std::nullopt;
  Frame frame{.kind = FrameKind::kComfortNoise, .made = true, .payload_type = config_.payload_type,
              .sequence = way.direction.rewriter.newest_ingress(), .samples = config_.samples,
              .timestamp = tone_timestamp_ + asked, .pair = kMade | (++made_ & 0xffff), .arrived = way.now};
  tone_due_ += int64_t{config_.samples} * 1'000'000'000 / 8000;
  made_until_ = frame.timestamp + frame.samples;
  return Submit(way, frame, 0, {}).due;
}

// The caller was not silent, only late: the tone has left in this packet's time, and its sound is evidence alone.
bool SecurePath::OvertakenByTone(const Frame& frame, PayloadKind kind) const {
  return made_until_ && IsAudio(kind) && static_cast<int32_t>(frame.timestamp - *made_until_) < 0;
}

}  // namespace flattone::relay
