#include "libs/rtp/rewriter.h"

#include <cstring>

#include "libs/rtp/sequence.h"

namespace flattone::rtp {
namespace {
// A change this far back is settled: numbers before it are no longer in use, and distances stay unambiguous.
constexpr int16_t kSettled = 0x2000;
constexpr int16_t kMostMisorder = 100;  // RFC 3550 appendix A.1
}  // namespace

uint16_t HeaderRewriter::Forward(uint16_t ingress) {
  if (!started_ || SequenceNewer(ingress, newest_ingress_)) {
    started_ = true;
    newest_ingress_ = ingress;
  }
  if (Remembered() == 0) return static_cast<uint16_t>(ingress + offset_);
  const int16_t since = SequenceDistance(ingress, Newest(0).first_ingress);
  if (since >= 0) {
    if (since > kSettled) {
      settled_ = changed_;
      before_ = offset_;
    }
    return static_cast<uint16_t>(ingress + offset_);
  }
  for (size_t age = 1; age < Remembered(); ++age) {
    if (SequenceDistance(ingress, Newest(age).first_ingress) >= 0) {
      return static_cast<uint16_t>(ingress + Newest(age).offset);
    }
  }
  return static_cast<uint16_t>(ingress + before_);
}

bool HeaderRewriter::Restarts(uint16_t ingress) {
  if (!started_ || SequenceDistance(ingress, newest_ingress_) >= -kMostMisorder) {
    behind_ = false;
    return false;
  }
  const bool second = behind_ && ingress == behind_next_;
  behind_ = !second;
  behind_next_ = static_cast<uint16_t>(ingress + 1);
  return second;
}

void HeaderRewriter::Restart(uint16_t ingress) {
  newest_ingress_ = static_cast<uint16_t>(ingress - 1);
  settled_ = changed_;
  before_ = offset_;
}

void HeaderRewriter::Shift(uint16_t first_ingress, int by) {
  identity_ = false;
  if (Remembered() == kChanges) before_ = Newest(kChanges - 1).offset;
  offset_ = static_cast<uint16_t>(offset_ + by);
  changes_[changed_ % kChanges] = {first_ingress, static_cast<uint16_t>(first_ingress + offset_), offset_};
  ++changed_;
}

void HeaderRewriter::LeaveOut(uint16_t ingress, size_t octets) {
  CountSent(-1, -static_cast<int64_t>(octets));
  if (started_ && !SequenceNewer(ingress, newest_ingress_)) return;
  started_ = true;
  newest_ingress_ = ingress;
  Shift(static_cast<uint16_t>(ingress + 1), -1);
}

uint16_t HeaderRewriter::PutIn(size_t octets) {
  CountSent(1, static_cast<int64_t>(octets));
  const auto first = static_cast<uint16_t>(newest_ingress_ + 1);
  const auto egress = static_cast<uint16_t>(first + offset_);
  Shift(first, 1);
  return egress;
}

uint16_t HeaderRewriter::Ingress(uint16_t egress) const {
  for (size_t age = 0; age < Remembered(); ++age) {
    if (SequenceDistance(egress, Newest(age).first_egress) >= 0) {
      return static_cast<uint16_t>(egress - Newest(age).offset);
    }
  }
  return static_cast<uint16_t>(egress - (Remembered() == 0 ? offset_ : before_));
}

namespace {

constexpr size_t kSenderInfoEnd = 28;  // header, SSRC, NTP, timestamp, counts

void SetLength(uint8_t* packet, size_t size) { Store16(packet + 2, static_cast<uint16_t>(size / 4 - 1)); }

void TranslateBlocks(uint8_t* at, size_t count, const HeaderRewriter& received) {
  for (size_t i = 0; i < count; ++i, at += kReportBlockSize) {
    const uint32_t extended = Load32(at + 8);
    const auto egress = static_cast<uint16_t>(extended);
    const int16_t shift = SequenceDistance(received.Ingress(egress), egress);
    Store32(at + 8, extended + static_cast<uint32_t>(int32_t{shift}));
  }
}

bool OnlyCname(std::span<const uint8_t> body, size_t chunks) {
  size_t at = 0;
  for (size_t i = 0; i < chunks; ++i) {
    at += 4;
    while (body[at] != 0) {
      if (body[at] != 1) return false;
      at += 2 + size_t{body[at + 1]};
    }
    at = (at / 4 + 1) * 4;
  }
  return true;
}

// Blocks 1 to 3 list the numbers between begin and end, thinned to multiples of a power of two: they can be
// shifted only as a whole, and not across the thinning (RFC 3611 §4.1).
bool TranslateSequences(uint8_t* block, const ExtendedBlock& in, const HeaderRewriter& received) {
  const uint16_t begin = received.Ingress(in.begin_sequence());
  const uint16_t end = received.Ingress(in.end_sequence());
  if (in.type <= 3) {
    const auto by_begin = static_cast<uint16_t>(begin - in.begin_sequence());
    const auto by_end = static_cast<uint16_t>(end - in.end_sequence());
    const uint32_t thinning = (1u << (in.specific & 0x0f)) - 1;
    if (by_begin != by_end || (by_begin & thinning) != 0) return false;
  }
  Store16(block + 8, begin);
  Store16(block + 10, end);
  return true;
}

size_t CopyExtendedReport(const RtcpPacket& packet, const HeaderRewriter& received, bool capturing, uint8_t* out) {
  std::memcpy(out, packet.bytes.data(), 8);
  out[0] = static_cast<uint8_t>(out[0] & ~0x20);
  size_t size = 8;
  ForEachExtendedBlock(packet, [&](const ExtendedBlock& block) {
    if (capturing && (block.type == 0 || block.type > 6)) return;
    std::memcpy(out + size, block.bytes.data(), block.bytes.size());
    if (block.has_sequences() && !TranslateSequences(out + size, block, received)) return;
    size += block.bytes.size();
  });
  SetLength(out, size);
  return size > 8 ? size : 0;
}

// Header and `body_size` bytes of the body; the packet's padding and what lies behind are left out.
size_t CopyTrimmed(const RtcpPacket& packet, size_t body_size, uint8_t* out) {
  std::memcpy(out, packet.bytes.data(), 4 + body_size);
  out[0] = static_cast<uint8_t>(out[0] & ~0x20);
  SetLength(out, 4 + body_size);
  return 4 + body_size;
}

size_t CopyReport(const RtcpPacket& packet, const HeaderRewriter& sent, const HeaderRewriter& received, bool capturing,
                  uint8_t* out) {
  const bool sender = packet.type == RtcpType::kSenderReport;
  const size_t info = sender ? kSenderInfoEnd : 8;
  const size_t exact = info - 4 + packet.count * kReportBlockSize;
  const size_t size = CopyTrimmed(packet, capturing ? exact : packet.body.size(), out);
  if (sender) {
    Store32(out + 20, Load32(out + 20) + sent.packet_delta());
    Store32(out + 24, Load32(out + 24) + sent.octet_delta());
  }
  TranslateBlocks(out + info, packet.count, received);
  return size;
}

size_t CopyNack(const RtcpPacket& packet, const HeaderRewriter& received, uint8_t* out) {
  const size_t size = CopyTrimmed(packet, packet.body.size(), out);
  for (size_t at = 12; at + 4 <= size; at += 4) Store16(out + at, received.Ingress(Load16(out + at)));
  return size;
}

size_t CopyPacket(const RtcpPacket& packet, const HeaderRewriter& sent, const HeaderRewriter& received, bool capturing,
                  uint8_t* out) {
  switch (packet.type) {
    case RtcpType::kSenderReport:
    case RtcpType::kReceiverReport: return CopyReport(packet, sent, received, capturing, out);
    case RtcpType::kExtendedReport: return CopyExtendedReport(packet, received, capturing, out);
    case RtcpType::kTransportFeedback:
      if (packet.count == 1) return CopyNack(packet, received, out);
      break;
    case RtcpType::kSourceDescription:
      if (capturing && !OnlyCname(packet.body, packet.count)) return 0;
      return CopyTrimmed(packet, packet.body.size(), out);
    case RtcpType::kGoodbye:
      return CopyTrimmed(packet, capturing ? 4 * size_t{packet.count} : packet.body.size(), out);
    default: break;
  }
  return capturing ? 0 : CopyTrimmed(packet, packet.body.size(), out);
}

}  // namespace

size_t RewriteRtcp(const RtcpCompound& in, const HeaderRewriter& sent, const HeaderRewriter& received, bool capturing,
                   std::span<uint8_t> out) {
  if (out.size() < in.bytes().size()) return 0;
  if (!capturing && sent.identity() && received.identity()) {
    std::memcpy(out.data(), in.bytes().data(), in.bytes().size());
    return in.bytes().size();
  }
  size_t size = 0;
  for (const RtcpPacket packet : in) {
    const size_t copied = CopyPacket(packet, sent, received, capturing, out.data() + size);
    // What must be led by a report is not sent without one (RFC 3550 §6.1).
    if (size > 0 || MayLeadCompound(packet.type)) size += copied;
  }
  return size;
}

}  // namespace flattone::rtp
