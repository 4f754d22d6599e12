#include "libs/rtp/packet.h"

#include <cstring>

#include "libs/rtp/bytes.h"

namespace flattone::rtp {

std::optional<PacketView> PacketView::Parse(std::span<const uint8_t> bytes) {
  if (bytes.size() < kHeaderSize || (bytes[0] >> 6) != 2) return std::nullopt;
  PacketView view;
  size_t at = kHeaderSize + 4 * size_t{static_cast<uint8_t>(bytes[0] & 0x0f)};
  if (bytes.size() < at) return std::nullopt;
  if ((bytes[0] & 0x10) != 0) {
    if (bytes.size() - at < 4) return std::nullopt;
    view.extension_profile_ = Load16(&bytes[at]);
    const size_t size = 4 * size_t{Load16(&bytes[at + 2])};
    at += 4;
    if (bytes.size() - at < size) return std::nullopt;
    view.extension_ = bytes.subspan(at, size);
    at += size;
  }
  if ((bytes[0] & 0x20) != 0) {
    // The count includes itself, so zero is wrong, and it may not reach into the header (§5.1).
    view.padding_ = bytes.back();
    if (view.padding_ == 0 || bytes.size() - at < view.padding_) return std::nullopt;
  }
  view.bytes_ = bytes;
  view.payload_ = bytes.subspan(at, bytes.size() - at - view.padding_);
  view.header_.marker = (bytes[1] & 0x80) != 0;
  view.header_.payload_type = bytes[1] & 0x7f;
  view.header_.sequence = Load16(&bytes[2]);
  view.header_.timestamp = Load32(&bytes[4]);
  view.header_.ssrc = Load32(&bytes[8]);
  return view;
}

uint32_t PacketView::csrc(size_t index) const { return Load32(&bytes_[kHeaderSize + 4 * index]); }

size_t WriteHeader(const Header& header, std::span<uint8_t> out) {
  if (out.size() < kHeaderSize) return 0;
  out[0] = 0x80;
  out[1] = static_cast<uint8_t>((header.marker ? 0x80 : 0) | (header.payload_type & 0x7f));
  Store16(&out[2], header.sequence);
  Store32(&out[4], header.timestamp);
  Store32(&out[8], header.ssrc);
  return kHeaderSize;
}

size_t WritePacket(const Header& header, std::span<const uint8_t> payload, std::span<uint8_t> out) {
  if (out.size() < kHeaderSize + payload.size()) return 0;
  if (!payload.empty()) std::memmove(&out[kHeaderSize], payload.data(), payload.size());
  WriteHeader(header, out);
  return kHeaderSize + payload.size();
}

void SetSequence(std::span<uint8_t> packet, uint16_t sequence) { Store16(&packet[2], sequence); }

}  // namespace flattone::rtp
