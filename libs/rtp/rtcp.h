// RTCP compound packets (RFC 3550 §6, RFC 4585, RFC 3611), walked in place.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |V=2|P| RC/FMT  |      PT       | length in words, less one     |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
//   auto compound = RtcpCompound::Parse(bytes);        // the whole datagram is checked here
//   for (RtcpPacket p : *compound) if (auto sr = SenderReport::Of(p)) use(sr->packet_count());
//
// Views point into the datagram. Any thread; no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "libs/rtp/bytes.h"

namespace flattone::rtp {

enum class RtcpType : uint8_t {
  kSenderReport = 200,
  kReceiverReport = 201,
  kSourceDescription = 202,
  kGoodbye = 203,
  kApplication = 204,
  kTransportFeedback = 205,  // NACK is format 1
  kPayloadFeedback = 206,
  kExtendedReport = 207,
};

// A report; or feedback or XR in a compound of reduced size (RFC 5506).
bool MayLeadCompound(RtcpType type);

// One packet of a compound: header checked, body without header and padding.
struct RtcpPacket {
  RtcpType type{};    // may be a value that the enum does not name
  uint8_t count = 0;  // report count, or feedback format
  std::span<const uint8_t> bytes;
  std::span<const uint8_t> body;
};

class RtcpCompound {
 public:
  // nullopt unless every packet is of version 2, the lengths add up to the datagram, padding is at the end only, the
  // first packet may lead, and each known type is long enough for its counts.
  static std::optional<RtcpCompound> Parse(std::span<const uint8_t> bytes);

  class Iterator {
   public:
    explicit Iterator(std::span<const uint8_t> rest) : rest_(rest) {}
    RtcpPacket operator*() const;
    Iterator& operator++();
    bool operator!=(const Iterator& other) const { return rest_.size() != other.rest_.size(); }

   private:
    std::span<const uint8_t> rest_;
  };
  Iterator begin() const { return Iterator(bytes_); }
  Iterator end() const { return Iterator(bytes_.subspan(bytes_.size())); }
  std::span<const uint8_t> bytes() const { return bytes_; }

 private:
  explicit RtcpCompound(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  std::span<const uint8_t> bytes_;
};

// A report block, the same in SR and RR (§6.4.1).
struct ReportBlock {
  uint32_t ssrc = 0;
  uint8_t fraction_lost = 0;
  int32_t cumulative_lost = 0;    // 24 bits, signed
  uint32_t extended_highest = 0;  // cycles << 16 | highest sequence number
  uint32_t jitter = 0;
  uint32_t last_sr = 0;
  uint32_t delay_since_last_sr = 0;
};
inline constexpr size_t kReportBlockSize = 24;

class SenderReport {
 public:
  static std::optional<SenderReport> Of(const RtcpPacket& packet);
  uint32_t ssrc() const { return Load32(&body_[0]); }
  uint64_t ntp() const { return uint64_t{Load32(&body_[4])} << 32 | Load32(&body_[8]); }
  uint32_t rtp_timestamp() const { return Load32(&body_[12]); }
  uint32_t packet_count() const { return Load32(&body_[16]); }
  uint32_t octet_count() const { return Load32(&body_[20]); }
  size_t block_count() const { return blocks_; }
  ReportBlock block(size_t index) const;

 private:
  std::span<const uint8_t> body_;
  size_t blocks_ = 0;
};

class ReceiverReport {
 public:
  static std::optional<ReceiverReport> Of(const RtcpPacket& packet);
  uint32_t ssrc() const { return Load32(&body_[0]); }
  size_t block_count() const { return blocks_; }
  ReportBlock block(size_t index) const;

 private:
  std::span<const uint8_t> body_;
  size_t blocks_ = 0;
};

// Generic NACK (RFC 4585 §6.2.1): a lost sequence number and a mask of the sixteen after it.
class Nack {
 public:
  static std::optional<Nack> Of(const RtcpPacket& packet);
  uint32_t sender_ssrc() const { return Load32(&body_[0]); }
  uint32_t media_ssrc() const { return Load32(&body_[4]); }
  size_t size() const { return (body_.size() - 8) / 4; }
  uint16_t sequence(size_t index) const { return Load16(&body_[8 + 4 * index]); }
  uint16_t mask(size_t index) const { return Load16(&body_[10 + 4 * index]); }

 private:
  std::span<const uint8_t> body_;
};

// Extended report blocks (RFC 3611 §3): type, type-specific byte, length in words, contents.
struct ExtendedBlock {
  uint8_t type = 0;
  uint8_t specific = 0;
  std::span<const uint8_t> bytes;  // with its four-byte header
  // Blocks 1, 2, 3 and 6 name a source and a span of sequence numbers.
  bool has_sequences() const { return (type <= 3 || type == 6) && type != 0 && bytes.size() >= 12; }
  uint32_t ssrc() const { return Load32(&bytes[4]); }
  uint16_t begin_sequence() const { return Load16(&bytes[8]); }
  uint16_t end_sequence() const { return Load16(&bytes[10]); }
};
// Calls visit(ExtendedBlock) for each block of an XR packet that Parse() accepted.
template <typename Visit>
void ForEachExtendedBlock(const RtcpPacket& packet, Visit visit) {
  for (size_t at = 4; at + 4 <= packet.body.size();) {
    const size_t size = 4 + 4 * size_t{Load16(&packet.body[at + 2])};
    visit(ExtendedBlock{packet.body[at], packet.body[at + 1], packet.body.subspan(at, size)});
    at += size;
  }
}

// Writers, for endpoints and tests. Each returns the packet's size, or 0 when it does not fit.
struct SenderInfo {
  uint32_t ssrc = 0;
  uint64_t ntp = 0;
  uint32_t rtp_timestamp = 0;
  uint32_t packet_count = 0;
  uint32_t octet_count = 0;
};
size_t WriteSenderReport(const SenderInfo& info, std::span<const ReportBlock> blocks, std::span<uint8_t> out);
size_t WriteReceiverReport(uint32_t ssrc, std::span<const ReportBlock> blocks, std::span<uint8_t> out);
size_t WriteCname(uint32_t ssrc, std::span<const uint8_t> cname, std::span<uint8_t> out);
size_t WriteGoodbye(uint32_t ssrc, std::span<uint8_t> out);

}  // namespace flattone::rtp
