// What each payload type means on a leg, as negotiated: one look-up per packet.
#pragma once

#include <array>
#include <cstdint>

namespace flattone::relay {

enum class PayloadKind : uint8_t {
  kUnknown,      // not negotiated
  kPcmu,
  kPcma,
  kOtherAudio,   // forwarded in plain, cannot be masked
  kEvent,        // RFC 4733
  kComfortNoise, // RFC 3389
  kRedundancy,   // RFC 2198
};

constexpr bool IsG711(PayloadKind kind) { return kind == PayloadKind::kPcmu || kind == PayloadKind::kPcma; }
constexpr bool IsAudio(PayloadKind kind) { return IsG711(kind) || kind == PayloadKind::kOtherAudio; }

struct PayloadMap {
  std::array<PayloadKind, 128> kinds{};
  std::array<uint32_t, 128> clock_rates{};

  PayloadKind Kind(uint8_t payload_type) const { return kinds[payload_type & 0x7f]; }
  uint32_t ClockRate(uint8_t payload_type) const { return clock_rates[payload_type & 0x7f]; }
  bool Empty() const {
    for (PayloadKind kind : kinds) {
      if (kind != PayloadKind::kUnknown) return false;
    }
    return true;
  }
};

}  // namespace flattone::relay
