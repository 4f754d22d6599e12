// The newest 20 ms of one side's sound and its newest event: what a masker has to know to tell a key that sounded when
// the relay switched from one that began behind it. A copy in fixed memory, overwritten by the next packet (an event:
// wiped by the first packet one second behind its end) and wiped with the call. The shard's thread.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "services/media-relay/media/hop_link.h"
#include "services/media-relay/media/payload_map.h"

namespace flattone::relay {

class RecentSound {
 public:
  static constexpr size_t kSamples = 160;

  ~RecentSound() { Forget(); }

  // A packet of the caller's, in any state of the call.
  void Keep(PayloadKind kind, uint32_t timestamp, uint32_t clock_rate, std::span<const uint8_t> payload);
  void Forget();
  // To the hop, ahead of the leg's first frame; sound in the other law is left out.
  void Tell(uint32_t leg, bool a_law, SpscRing<ToHop>& to_hop) const;

 private:
  uint32_t EventEnd() const;
  void ForgetEvent();
  void KeepSound(uint32_t timestamp, std::span<const uint8_t> payload);
  static void Push(uint32_t leg, FrameKind kind, uint32_t timestamp, uint32_t clock_rate, std::span<const uint8_t> payload,
                   SpscRing<ToHop>& to_hop);

  std::array<uint8_t, kSamples> sound_{};  // its last `size_` codewords end at `end_`
  size_t size_ = 0;
  uint32_t end_ = 0;
  PayloadKind law_ = PayloadKind::kUnknown;
  std::array<uint8_t, 4> event_{};  // the first block of the newest packet of events
  bool has_event_ = false;
  uint32_t event_timestamp_ = 0, event_clock_rate_ = 0;
};

}  // namespace flattone::relay
