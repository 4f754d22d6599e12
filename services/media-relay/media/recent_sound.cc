#include "services/media-relay/media/recent_sound.h"

#include <algorithm>

namespace flattone::relay {
namespace {
constexpr int32_t kEventAge = 8000;  // 1 s behind its end an event says nothing about now, and is a key that need not be kept
}

void RecentSound::Keep(PayloadKind kind, uint32_t timestamp, uint32_t clock_rate, std::span<const uint8_t> payload) {
  if (kind == PayloadKind::kEvent && payload.size() >= event_.size()) {
    std::copy_n(payload.begin(), event_.size(), event_.begin());
    has_event_ = true;
    event_timestamp_ = timestamp;
    event_clock_rate_ = clock_rate;
    return;
  }
  if (has_event_ && static_cast<int32_t>(timestamp - EventEnd()) > kEventAge) ForgetEvent();
  if (!IsG711(kind) || payload.empty()) return;
  if (kind != law_) size_ = 0;
  law_ = kind;
  KeepSound(timestamp, payload);
}

// Packets shorter than 20 ms are joined where they follow each other.
void RecentSound::KeepSound(uint32_t timestamp, std::span<const uint8_t> payload) {
  if (timestamp != end_) size_ = 0;
  const size_t take = std::min(payload.size(), kSamples);
  const size_t stay = std::min(size_, kSamples - take);
  std::memmove(sound_.data(), sound_.data() + size_ - stay, stay);
  std::copy(payload.end() - static_cast<std::ptrdiff_t>(take), payload.end(), sound_.begin() + static_cast<std::ptrdiff_t>(stay));
  size_ = stay + take;
  end_ = timestamp + static_cast<uint32_t>(payload.size());
}

uint32_t RecentSound::EventEnd() const { return event_timestamp_ + static_cast<uint32_t>(event_[2] << 8 | event_[3]); }

void RecentSound::ForgetEvent() {
  event_.fill(0);
  asm volatile("" : : "r"(event_.data()) : "memory");
  has_event_ = false;
}

void RecentSound::Forget() {
  ForgetEvent();
  sound_.fill(0);
  asm volatile("" : : "r"(sound_.data()) : "memory");
  size_ = 0;
  law_ = PayloadKind::kUnknown;
}

void RecentSound::Tell(uint32_t leg, bool a_law, SpscRing<ToHop>& to_hop) const {
  if (has_event_) Push(leg, FrameKind::kEvent, event_timestamp_, event_clock_rate_, event_, to_hop);
  if (size_ == 0 || a_law != (law_ == PayloadKind::kPcma)) return;
  Push(leg, FrameKind::kAudio, end_ - static_cast<uint32_t>(size_), 0, std::span(sound_).first(size_), to_hop);
}

void RecentSound::Push(uint32_t leg, FrameKind kind, uint32_t timestamp, uint32_t clock_rate,
                       std::span<const uint8_t> payload, SpscRing<ToHop>& to_hop) {
  ToHop* record = to_hop.Claim();
  if (record == nullptr) return;  // full: the masker takes a key at the very start for an old one
  record->type = ToHop::Type::kFrame;
  record->kind = kind;
  record->marker = record->redundant = false;
  record->before_start = true;
  record->leg = leg;
  record->sequence = 0;
  record->timestamp = timestamp;
  record->event_clock_rate = clock_rate;
  record->size = static_cast<uint16_t>(payload.size());
  std::memcpy(record->payload.data(), payload.data(), payload.size());
  to_hop.Publish();
}

}  // namespace flattone::relay
