// RTCP of one side (RFC 3550 section 6.4): its sender reports, and whether those of the other side, as the relay hands
// them on, agree with what was heard and sent. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace flattone::call {

// One block about a stream that is received.
struct ReceptionReport {
  uint32_t ssrc = 0;
  uint8_t fraction_lost = 0;
  int32_t lost = 0;
  uint32_t highest_sequence = 0;  // extended
  uint32_t jitter = 0;            // RTP clock units
};

struct SenderReport {
  uint32_t ssrc = 0;
  int64_t wall_ns = 0;  // since 1970
  uint32_t rtp_timestamp = 0;
  uint32_t packets = 0, octets = 0;
  std::optional<ReceptionReport> about;
};

// SR and SDES with a CNAME, as one compound packet.
std::vector<uint8_t> WriteCompound(const SenderReport& report);

// The sender report at the head of a compound packet; nothing if it is another packet or malformed.
std::optional<SenderReport> ReadCompound(std::span<const uint8_t> packet);

// What the other side's reports said, against what this side knows.
struct RtcpStats {
  int64_t sent = 0, received = 0, sender_reports = 0, unreadable = 0;
  // Furthest that a sender report's packet count was from the packets heard and lost so far.
  int64_t worst_count_gap = 0;
  // Furthest that a reported highest sequence number was from the one last sent, either way.
  int64_t worst_sequence_gap = 0;
  int64_t reported_lost = 0;  // newest cumulative loss that the other side reports

  void Heard(const SenderReport& report, int64_t packets_so_far, std::optional<uint16_t> last_sent_sequence);
};

}  // namespace flattone::call
