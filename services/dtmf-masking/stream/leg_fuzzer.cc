// Any sequence of frames: nothing breaks, answers never go back in time, audio answers keep their size.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "services/dtmf-masking/stream/leg.h"

// Record: kind, flags, timestamp step (signed, 2 octets), payload length (2 octets), payload seed or event bytes.
// A numbered packet may repeat a timestamp: its sender's clock stands still.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace flattone::masking;
  Leg leg({.packet_samples = 160});
  uint32_t timestamp = 0xffff'0000u;
  std::array<uint8_t, 1200> payload;
  std::array<uint8_t, Leg::kMostSamples> out;
  bool first = true;
  uint32_t last = 0;
  for (size_t at = 0; at + 8 <= size; at += 8) {
    const uint8_t* r = data + at;
    const auto step = static_cast<int16_t>(r[2] << 8 | r[3]);
    timestamp += static_cast<uint32_t>((r[1] & 8) != 0 ? step * 500 : step);
    const size_t length = (static_cast<size_t>(r[4]) << 8 | r[5]) % payload.size();
    for (size_t i = 0; i < length; ++i) payload[i] = static_cast<uint8_t>(r[6 + i % 2] + i * (r[1] >> 4));
    const bool numbered = (r[0] & 0x40) != 0;
    const InFrame frame{.kind = static_cast<FrameKind>(r[0] % 3), .timestamp = timestamp, .marker = (r[1] & 1) != 0,
                        .redundant = (r[1] & 2) != 0, .before = (r[0] & 0x80) != 0,
                        .sequence = numbered ? std::optional(static_cast<uint16_t>(at / 8)) : std::nullopt,
                        .event_clock_rate = (r[1] & 4) != 0 ? 48000u : 0u,
                        .payload = std::span(payload).first(length)};
    Leg::Report report;
    const Leg::Answer answer = leg.Take(frame, out, report);
    if (answer.tone_left < 0 || (frame.before && answer.send)) std::abort();
    if (!answer.send || answer.size == 0) continue;
    if (answer.size > Leg::kMostSamples || report.key_count > Leg::Report::kMostKeys) std::abort();
    if (!first && frame.kind != FrameKind::kEvent && !numbered && answer.timestamp == last) std::abort();
    first = false;
    last = answer.timestamp;
  }
  return 0;
}
