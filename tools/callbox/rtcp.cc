#include "tools/callbox/rtcp.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "tools/callbox/bytes.h"

namespace flattone::call {
namespace {

constexpr uint64_t kEpochSeconds = 2208988800;  // from 1900 (NTP) to 1970
constexpr std::string_view kName = "call@flattone.local";

void PutBlock(std::vector<uint8_t>& out, const ReceptionReport& about) {
  Append(out, about.ssrc, 4);
  Append(out, about.fraction_lost, 1);
  Append(out, static_cast<uint32_t>(about.lost) & 0xFFFFFF, 3);
  Append(out, about.highest_sequence, 4);
  Append(out, about.jitter, 4);
  Append(out, 0, 8);  // last SR and delay since: not kept
}

ReceptionReport GetBlock(const uint8_t* at) {
  ReceptionReport about{.ssrc = Load32(at), .fraction_lost = at[4], .lost = static_cast<int32_t>(Load32(at + 4) << 8) >> 8,
                        .highest_sequence = Load32(at + 8), .jitter = Load32(at + 12)};
  return about;
}

}  // namespace

std::vector<uint8_t> WriteCompound(const SenderReport& report) {
  std::vector<uint8_t> out;
  const int blocks = report.about ? 1 : 0;
  Append(out, static_cast<uint64_t>(0x80 | blocks), 1);
  Append(out, 200, 1);
  Append(out, static_cast<uint64_t>(6 + 6 * blocks), 2);
  Append(out, report.ssrc, 4);
  Append(out, static_cast<uint64_t>(report.wall_ns / 1000000000) + kEpochSeconds, 4);
  Append(out, (static_cast<uint64_t>(report.wall_ns % 1000000000) << 32) / 1000000000, 4);
  Append(out, report.rtp_timestamp, 4);
  Append(out, report.packets, 4);
  Append(out, report.octets, 4);
  if (report.about) PutBlock(out, *report.about);
  std::vector<uint8_t> chunk;
  Append(chunk, report.ssrc, 4);
  Append(chunk, 1, 1);  // CNAME
  Append(chunk, kName.size(), 1);
  chunk.insert(chunk.end(), kName.begin(), kName.end());
  do chunk.push_back(0);
  while (chunk.size() % 4 != 0);
  Append(out, 0x81, 1);
  Append(out, 202, 1);
  Append(out, chunk.size() / 4, 2);
  out.insert(out.end(), chunk.begin(), chunk.end());
  return out;
}

std::optional<SenderReport> ReadCompound(std::span<const uint8_t> packet) {
  if (packet.size() < 28 || packet[0] >> 6 != 2 || packet[1] != 200) return std::nullopt;
  const size_t size = 4 * (size_t{Load16(packet.data() + 2)} + 1);
  const size_t blocks = packet[0] & 0x1F;
  if (size > packet.size() || size < 28 + 24 * blocks) return std::nullopt;
  const uint8_t* at = packet.data();
  SenderReport report{.ssrc = Load32(at + 4)};
  report.wall_ns = (static_cast<int64_t>(Load32(at + 8)) - static_cast<int64_t>(kEpochSeconds)) * 1000000000 +
                   static_cast<int64_t>((static_cast<uint64_t>(Load32(at + 12)) * 1000000000) >> 32);
  report.rtp_timestamp = Load32(at + 16);
  report.packets = Load32(at + 20);
  report.octets = Load32(at + 24);
  if (blocks > 0) report.about = GetBlock(at + 28);
  return report;
}

void RtcpStats::Heard(const SenderReport& report, int64_t packets_so_far, std::optional<uint16_t> last_sent_sequence) {
  ++sender_reports;
  worst_count_gap = std::max<int64_t>(worst_count_gap, std::abs(static_cast<int64_t>(report.packets) - packets_so_far));
  if (!report.about || !last_sent_sequence) return;
  reported_lost = report.about->lost;
  const auto gap = static_cast<int16_t>(*last_sent_sequence - static_cast<uint16_t>(report.about->highest_sequence));
  worst_sequence_gap = std::max<int64_t>(worst_sequence_gap, std::abs(static_cast<int>(gap)));
}

}  // namespace flattone::call
