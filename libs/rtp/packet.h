// An RTP packet seen through a span: validated once, nothing copied, nothing allocated.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |                           timestamp                           |
//   |                             SSRC                              |
//   |                     CSRC list (0 to 15)                       |
//   | extension: profile, length in words │ words … (when X)        |
//   | payload …                                  padding │ its size |
//   (RFC 3550 §5.1, §5.3.1)
//
//   std::optional<PacketView> packet = PacketView::Parse(bytes);
//   if (!packet) { ++malformed; return; }
//
// A view points into the bytes that it was parsed from and lives no longer. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace flattone::rtp {

inline constexpr size_t kHeaderSize = 12;

struct Header {
  uint8_t payload_type = 0;  // 0 to 127
  bool marker = false;
  uint16_t sequence = 0;
  uint32_t timestamp = 0;
  uint32_t ssrc = 0;
};

class PacketView {
 public:
  // nullopt when the version is not 2, or header, extension or padding do not fit the bytes.
  static std::optional<PacketView> Parse(std::span<const uint8_t> bytes);

  const Header& header() const { return header_; }
  uint8_t payload_type() const { return header_.payload_type; }
  bool marker() const { return header_.marker; }
  uint16_t sequence() const { return header_.sequence; }
  uint32_t timestamp() const { return header_.timestamp; }
  uint32_t ssrc() const { return header_.ssrc; }

  size_t csrc_count() const { return bytes_[0] & 0x0f; }
  uint32_t csrc(size_t index) const;  // index < csrc_count()
  bool has_extension() const { return (bytes_[0] & 0x10) != 0; }
  uint16_t extension_profile() const { return extension_profile_; }
  std::span<const uint8_t> extension() const { return extension_; }  // without its own four-byte header
  size_t padding_size() const { return padding_; }

  std::span<const uint8_t> bytes() const { return bytes_; }
  std::span<const uint8_t> payload() const { return payload_; }  // may be empty

 private:
  PacketView() = default;
  std::span<const uint8_t> bytes_;
  std::span<const uint8_t> payload_;
  std::span<const uint8_t> extension_;
  Header header_;
  uint16_t extension_profile_ = 0;
  uint8_t padding_ = 0;
};

// Writes a twelve-byte header: no CSRC, no extension, no padding. Returns 12, or 0 when it does not fit.
size_t WriteHeader(const Header& header, std::span<uint8_t> out);
// Header and payload. Returns the packet's size, or 0 when it does not fit. `payload` may lie in `out` behind the header.
size_t WritePacket(const Header& header, std::span<const uint8_t> payload, std::span<uint8_t> out);
// Changes the sequence number of a packet that Parse() accepted.
void SetSequence(std::span<uint8_t> packet, uint16_t sequence);

// On a port that carries both, the second byte tells RTCP (192 to 223) from RTP (RFC 5761 §4).
inline bool LooksLikeRtcp(std::span<const uint8_t> bytes) {
  return bytes.size() >= 2 && (bytes[0] >> 6) == 2 && bytes[1] >= 192 && bytes[1] <= 223;
}

}  // namespace flattone::rtp
