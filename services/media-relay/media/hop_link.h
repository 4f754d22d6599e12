// What a shard and the hop's thread say to each other, each way through a bounded ring without locks.
// Who takes a record out wipes its payload before giving the slot back.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "libs/base/spsc_ring.h"

namespace flattone::relay {

inline constexpr size_t kMaxFramePayload = 960;

enum class FrameKind : uint8_t { kAudio, kEvent, kComfortNoise };

struct ToHop {
  enum class Type : uint8_t {
    kFrame,
    kChangeCodec,  // `a_law`, `ptime_ms`
    kStalled,      // no answers: give up the stream that the leg is on, move its legs
    kReopen,       // a new SSRC: close the leg and open it anew
  };
  Type type = Type::kFrame;
  FrameKind kind = FrameKind::kAudio;
  bool marker = false;
  bool redundant = false;
  bool before_start = false;
  bool a_law = false;
  uint16_t size = 0;
  uint16_t ptime_ms = 0;
  // Pairs frame and answer: the packet's, or above 65535 for a frame that the path made itself. Of kStalled: the
  // opening that the path was told of last, so that a stall is not laid to the stream that the leg has moved to since.
  uint32_t sequence = 0;
  uint32_t leg = 0;
  uint32_t timestamp = 0;
  uint32_t event_clock_rate = 0;
  std::array<uint8_t, kMaxFramePayload> payload;

  void Wipe() {
    std::memset(payload.data(), 0, size);
    size = 0;
  }
};

struct FromHop {
  enum class Type : uint8_t {
    kMasked,
    kOpened,      // a masker has the leg, and the capture's key with it
    kLost,        // the leg has lost its stream, or is being opened anew: nothing sent before is answered
    kKeyStarted,
    kQuiet,
  };
  Type type = Type::kMasked;
  bool altered = false;
  uint16_t size = 0;
  uint32_t sequence = 0;  // the frame's; of kOpened: this opening's number
  uint32_t leg = 0;
  uint32_t timestamp = 0;
  uint32_t tone_left = 0;  // samples of flat tone that are still to come
  std::array<uint8_t, kMaxFramePayload> payload;

  std::span<const uint8_t> bytes() const { return {payload.data(), size}; }
  void Wipe() {
    std::memset(payload.data(), 0, size);
    size = 0;
  }
};

struct HopLink {
  explicit HopLink(size_t capacity) : to_hop(capacity), from_hop(capacity) {}
  SpscRing<ToHop> to_hop;
  SpscRing<FromHop> from_hop;
};

}  // namespace flattone::relay
