#include "tools/callbox/pcap_file.h"

#include <arpa/inet.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "tools/callbox/bytes.h"

namespace flattone::call {
namespace {

constexpr uint32_t kNanosecondMagic = 0xA1B23C4D;
constexpr uint32_t kLinkTypeRaw = 101;  // packets begin with the IP header

void AppendBytes(std::vector<uint8_t>& out, const void* bytes, size_t size) {
  const auto* at = static_cast<const uint8_t*>(bytes);
  out.insert(out.end(), at, at + size);
}

uint16_t Sum(const std::vector<uint8_t>& header) {  // RFC 1071
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < header.size(); i += 2) sum += Load16(header.data() + i);
  while (sum >> 16) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

std::vector<uint8_t> Ipv4Header(const sockaddr_storage& from, const sockaddr_storage& to, size_t udp) {
  std::vector<uint8_t> out = {0x45, 0};
  Append(out, 20 + udp, 2);
  out.insert(out.end(), {0, 0, 0x40, 0, 64, 17, 0, 0});
  AppendBytes(out, &reinterpret_cast<const sockaddr_in&>(from).sin_addr, 4);
  AppendBytes(out, &reinterpret_cast<const sockaddr_in&>(to).sin_addr, 4);
  const uint16_t sum = Sum(out);
  rtp::Store16(out.data() + 10, sum);
  return out;
}

std::vector<uint8_t> Ipv6Header(const sockaddr_storage& from, const sockaddr_storage& to, size_t udp) {
  std::vector<uint8_t> out = {0x60, 0, 0, 0};
  Append(out, udp, 2);
  out.insert(out.end(), {17, 64});
  AppendBytes(out, &reinterpret_cast<const sockaddr_in6&>(from).sin6_addr, 16);
  AppendBytes(out, &reinterpret_cast<const sockaddr_in6&>(to).sin6_addr, 16);
  return out;
}

uint16_t PortOf(const sockaddr_storage& address) {
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

// Bytes in front of the IP header, by link type; empty for one that is not known.
std::optional<size_t> LinkHeader(int link, std::span<const uint8_t> frame) {
  switch (link) {
    case DLT_RAW: case 14: case 101: return 0;
    case DLT_NULL: case DLT_LOOP: return 4;
    case DLT_LINUX_SLL: return 16;
    case DLT_LINUX_SLL2: return 20;
    case DLT_EN10MB: {
      size_t size = 14;
      while (frame.size() > size && frame[size - 2] == 0x81 && frame[size - 1] == 0x00) size += 4;  // VLAN
      return size;
    }
    default: return std::nullopt;
  }
}

std::optional<Captured> ParseUdp(std::span<const uint8_t> ip) {
  if (ip.size() < 28) return std::nullopt;
  size_t header = 40;
  if (ip[0] >> 4 == 4) {
    header = 4 * static_cast<size_t>(ip[0] & 0x0F);
    if (ip[9] != 17 || (ip[6] & 0x3F) != 0 || ip[7] != 0) return std::nullopt;  // UDP, not fragmented
  } else if (ip[0] >> 4 != 6 || ip[6] != 17) {
    return std::nullopt;
  }
  if (ip.size() < header + 8) return std::nullopt;
  const uint8_t* udp = ip.data() + header;
  const size_t length = Load16(udp + 4);
  if (length < 8 || header + length > ip.size()) return std::nullopt;
  Captured packet;
  packet.destination_port = Load16(udp + 2);
  packet.payload.assign(udp + 8, udp + length);
  return packet;
}

bool LooksLikeRtp(const std::vector<uint8_t>& payload) {
  if (payload.size() < 12 || payload[0] >> 6 != 2) return false;
  return payload[1] < 192 || payload[1] > 223;  // RTCP's types (RFC 5761 section 4)
}

uint32_t SsrcOf(const Captured& packet) {
  uint32_t ssrc;
  std::memcpy(&ssrc, packet.payload.data() + 8, 4);
  return ssrc;
}

void KeepBusiestStream(std::vector<Captured>& packets) {
  std::map<uint32_t, size_t> counts;
  for (const Captured& packet : packets) ++counts[SsrcOf(packet)];
  const auto busiest = std::max_element(counts.begin(), counts.end(),
                                        [](const auto& a, const auto& b) { return a.second < b.second; });
  if (busiest == counts.end()) return;
  const uint32_t ssrc = busiest->first;
  std::erase_if(packets, [ssrc](const Captured& packet) { return SsrcOf(packet) != ssrc; });
}

}  // namespace

absl::StatusOr<std::unique_ptr<PcapWriter>> PcapWriter::Create(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return absl::UnavailableError(absl::StrCat(path, " cannot be written: ", std::strerror(errno)));
  const uint32_t header[6] = {kNanosecondMagic, 4u << 16 | 2u, 0, 0, 65535, kLinkTypeRaw};
  std::fwrite(header, sizeof header, 1, file);
  return std::unique_ptr<PcapWriter>(new PcapWriter(file));
}

PcapWriter::~PcapWriter() { std::fclose(file_); }

void PcapWriter::Add(int64_t nanos, const sockaddr_storage& from, const sockaddr_storage& to,
                     std::span<const uint8_t> payload) {
  const size_t udp = 8 + payload.size();
  std::vector<uint8_t> out = to.ss_family == AF_INET6 ? Ipv6Header(from, to, udp) : Ipv4Header(from, to, udp);
  Append(out, PortOf(from), 2);
  Append(out, PortOf(to), 2);
  Append(out, udp, 2);
  Append(out, 0, 2);
  AppendBytes(out, payload.data(), payload.size());
  const auto size = static_cast<uint32_t>(out.size());
  const uint32_t record[4] = {static_cast<uint32_t>(nanos / 1000000000), static_cast<uint32_t>(nanos % 1000000000), size,
                              size};
  std::fwrite(record, sizeof record, 1, file_);
  std::fwrite(out.data(), out.size(), 1, file_);
}

absl::StatusOr<std::vector<Captured>> ReadRtp(const std::string& path, uint16_t port) {
  char error[PCAP_ERRBUF_SIZE] = "";
  pcap_t* file = pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO, error);
  if (file == nullptr) return absl::InvalidArgumentError(absl::StrCat(path, ": ", error));
  const int link = pcap_datalink(file);
  std::vector<Captured> packets;
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  while (pcap_next_ex(file, &header, &bytes) == 1) {
    const std::span<const uint8_t> frame(bytes, header->caplen);
    const std::optional<size_t> skip = LinkHeader(link, frame);
    if (!skip || frame.size() < *skip) continue;
    std::optional<Captured> packet = ParseUdp(frame.subspan(*skip));
    if (!packet || !LooksLikeRtp(packet->payload) || (port != 0 && packet->destination_port != port)) continue;
    packet->nanos = header->ts.tv_sec * 1000000000LL + header->ts.tv_usec;  // nanoseconds, as asked for
    packets.push_back(std::move(*packet));
  }
  pcap_close(file);
  if (port == 0) KeepBusiestStream(packets);
  if (packets.empty())
    return absl::InvalidArgumentError(absl::StrCat(path, " holds no RTP", port ? absl::StrCat(" to port ", port) : ""));
  return packets;
}

int64_t Replay::Next(std::vector<Packet>& out) {
  if (next_ >= packets_->size()) return -1;
  const Captured& packet = (*packets_)[next_++];
  out.push_back({packet.payload, false});
  if (next_ >= packets_->size()) return -1;
  return std::max<int64_t>(0, (*packets_)[next_].nanos - packet.nanos);
}

}  // namespace flattone::call
