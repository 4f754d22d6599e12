#include "libs/rtp/rtcp.h"

#include <cstring>

namespace flattone::rtp {
namespace {

constexpr size_t kSenderInfoSize = 24;  // SSRC, NTP, timestamp, counts

size_t PacketSize(std::span<const uint8_t> rest) { return 4 + 4 * size_t{Load16(&rest[2])}; }

// SDES: chunks of SSRC, items (type, length, text), a zero, padding to a word (§6.5).
bool ValidSourceDescription(std::span<const uint8_t> body, size_t chunks) {
  size_t at = 0;
  for (size_t i = 0; i < chunks; ++i) {
    if (body.size() - at < 4) return false;
    at += 4;
    for (;;) {
      if (at >= body.size()) return false;
      if (body[at] == 0) break;
      if (body.size() - at < 2 || body.size() - at - 2 < body[at + 1]) return false;
      at += 2 + size_t{body[at + 1]};
    }
    at = (at / 4 + 1) * 4;  // at least one zero byte ends the list
    if (at > body.size()) return false;
  }
  return true;
}

bool ValidExtendedReport(std::span<const uint8_t> body) {
  if (body.size() < 4) return false;
  size_t at = 4;
  while (at < body.size()) {
    if (body.size() - at < 4) return false;
    const size_t size = 4 + 4 * size_t{Load16(&body[at + 2])};
    if (body.size() - at < size) return false;
    at += size;
  }
  return true;
}

bool ValidBody(const RtcpPacket& packet) {
  const size_t size = packet.body.size();
  switch (packet.type) {
    case RtcpType::kSenderReport: return size >= kSenderInfoSize + packet.count * kReportBlockSize;
    case RtcpType::kReceiverReport: return size >= 4 + packet.count * kReportBlockSize;
    case RtcpType::kSourceDescription: return ValidSourceDescription(packet.body, packet.count);
    case RtcpType::kGoodbye: return size >= 4 * size_t{packet.count};
    case RtcpType::kApplication: return size >= 8;
    case RtcpType::kTransportFeedback:
    case RtcpType::kPayloadFeedback: return size >= 8;
    case RtcpType::kExtendedReport: return ValidExtendedReport(packet.body);
  }
  return true;  // an unknown type: only its length counts
}

ReportBlock BlockAt(const uint8_t* at) {
  ReportBlock block;
  block.ssrc = Load32(at);
  block.fraction_lost = at[4];
  block.cumulative_lost = static_cast<int32_t>(Load24(at + 5) << 8) >> 8;
  block.extended_highest = Load32(at + 8);
  block.jitter = Load32(at + 12);
  block.last_sr = Load32(at + 16);
  block.delay_since_last_sr = Load32(at + 20);
  return block;
}

void StoreBlock(const ReportBlock& block, uint8_t* at) {
  Store32(at, block.ssrc);
  Store32(at + 4, uint32_t{block.fraction_lost} << 24 | (static_cast<uint32_t>(block.cumulative_lost) & 0xffffff));
  Store32(at + 8, block.extended_highest);
  Store32(at + 12, block.jitter);
  Store32(at + 16, block.last_sr);
  Store32(at + 20, block.delay_since_last_sr);
}

void StoreHeader(RtcpType type, size_t count, size_t size, uint8_t* at) {
  at[0] = static_cast<uint8_t>(0x80 | count);
  at[1] = static_cast<uint8_t>(type);
  Store16(at + 2, static_cast<uint16_t>(size / 4 - 1));
}

}  // namespace

bool MayLeadCompound(RtcpType type) {
  return type == RtcpType::kSenderReport || type == RtcpType::kReceiverReport ||
         type == RtcpType::kTransportFeedback || type == RtcpType::kPayloadFeedback ||
         type == RtcpType::kExtendedReport;
}

std::optional<RtcpCompound> RtcpCompound::Parse(std::span<const uint8_t> bytes) {
  if (bytes.empty() || bytes.size() % 4 != 0) return std::nullopt;
  std::span<const uint8_t> rest = bytes;
  while (!rest.empty()) {
    if (rest.size() < 4 || (rest[0] >> 6) != 2 || rest[1] < 192 || rest[1] > 223) return std::nullopt;
    const size_t size = PacketSize(rest);
    if (size > rest.size()) return std::nullopt;
    if ((rest[0] & 0x20) != 0) {
      const uint8_t padding = rest[size - 1];
      const bool last = size == rest.size();
      if (!last || padding == 0 || padding % 4 != 0 || padding > size - 4) return std::nullopt;
    }
    const RtcpPacket packet = *Iterator(rest);
    if (rest.size() == bytes.size() && !MayLeadCompound(packet.type)) return std::nullopt;
    if (!ValidBody(packet)) return std::nullopt;
    rest = rest.subspan(size);
  }
  return RtcpCompound(bytes);
}

RtcpPacket RtcpCompound::Iterator::operator*() const {
  const size_t size = PacketSize(rest_);
  const size_t padding = (rest_[0] & 0x20) != 0 ? rest_[size - 1] : 0;
  return {.type = static_cast<RtcpType>(rest_[1]),
          .count = static_cast<uint8_t>(rest_[0] & 0x1f),
          .bytes = rest_.subspan(0, size),
          .body = rest_.subspan(4, size - 4 - padding)};
}

RtcpCompound::Iterator& RtcpCompound::Iterator::operator++() {
  rest_ = rest_.subspan(PacketSize(rest_));
  return *this;
}

std::optional<SenderReport> SenderReport::Of(const RtcpPacket& packet) {
  if (packet.type != RtcpType::kSenderReport || !ValidBody(packet)) return std::nullopt;
  SenderReport report;
  report.body_ = packet.body;
  report.blocks_ = packet.count;
  return report;
}

ReportBlock SenderReport::block(size_t index) const {
  return BlockAt(&body_[kSenderInfoSize + index * kReportBlockSize]);
}

std::optional<ReceiverReport> ReceiverReport::Of(const RtcpPacket& packet) {
  if (packet.type != RtcpType::kReceiverReport || !ValidBody(packet)) return std::nullopt;
  ReceiverReport report;
  report.body_ = packet.body;
  report.blocks_ = packet.count;
  return report;
}

ReportBlock ReceiverReport::block(size_t index) const { return BlockAt(&body_[4 + index * kReportBlockSize]); }

std::optional<Nack> Nack::Of(const RtcpPacket& packet) {
  if (packet.type != RtcpType::kTransportFeedback || packet.count != 1 || packet.body.size() < 8) return std::nullopt;
  Nack nack;
  nack.body_ = packet.body;
  return nack;
}

size_t WriteSenderReport(const SenderInfo& info, std::span<const ReportBlock> blocks, std::span<uint8_t> out) {
  const size_t size = 4 + kSenderInfoSize + blocks.size() * kReportBlockSize;
  if (blocks.size() > 31 || out.size() < size) return 0;
  StoreHeader(RtcpType::kSenderReport, blocks.size(), size, out.data());
  Store32(&out[4], info.ssrc);
  Store32(&out[8], static_cast<uint32_t>(info.ntp >> 32));
  Store32(&out[12], static_cast<uint32_t>(info.ntp));
  Store32(&out[16], info.rtp_timestamp);
  Store32(&out[20], info.packet_count);
  Store32(&out[24], info.octet_count);
  for (size_t i = 0; i < blocks.size(); ++i) StoreBlock(blocks[i], &out[28 + i * kReportBlockSize]);
  return size;
}

size_t WriteReceiverReport(uint32_t ssrc, std::span<const ReportBlock> blocks, std::span<uint8_t> out) {
  const size_t size = 8 + blocks.size() * kReportBlockSize;
  if (blocks.size() > 31 || out.size() < size) return 0;
  StoreHeader(RtcpType::kReceiverReport, blocks.size(), size, out.data());
  Store32(&out[4], ssrc);
  for (size_t i = 0; i < blocks.size(); ++i) StoreBlock(blocks[i], &out[8 + i * kReportBlockSize]);
  return size;
}

size_t WriteCname(uint32_t ssrc, std::span<const uint8_t> cname, std::span<uint8_t> out) {
  const size_t size = 8 + (2 + cname.size()) / 4 * 4 + 4;
  if (cname.size() > 255 || out.size() < size) return 0;
  std::memset(out.data(), 0, size);
  StoreHeader(RtcpType::kSourceDescription, 1, size, out.data());
  Store32(&out[4], ssrc);
  out[8] = 1;  // CNAME
  out[9] = static_cast<uint8_t>(cname.size());
  if (!cname.empty()) std::memcpy(&out[10], cname.data(), cname.size());
  return size;
}

size_t WriteGoodbye(uint32_t ssrc, std::span<uint8_t> out) {
  if (out.size() < 8) return 0;
  StoreHeader(RtcpType::kGoodbye, 1, 8, out.data());
  Store32(&out[4], ssrc);
  return 8;
}

}  // namespace flattone::rtp
