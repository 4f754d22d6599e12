// Packet captures: written with nanosecond arrival times, read back to replay the RTP of a real call.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/callbox/talker.h"

namespace flattone::call {

class PcapWriter {
 public:
  static absl::StatusOr<std::unique_ptr<PcapWriter>> Create(const std::string& path);
  ~PcapWriter();
  PcapWriter(const PcapWriter&) = delete;
  PcapWriter& operator=(const PcapWriter&) = delete;

  // One UDP datagram, `nanos` since 1970. IPv4 or IPv6, after the addresses.
  void Add(int64_t nanos, const sockaddr_storage& from, const sockaddr_storage& to, std::span<const uint8_t> payload);

 private:
  explicit PcapWriter(std::FILE* file) : file_(file) {}
  std::FILE* file_;
};

struct Captured {
  int64_t nanos = 0;
  uint16_t destination_port = 0;
  std::vector<uint8_t> payload;
};

// The UDP datagrams of a capture (pcap or pcapng; Ethernet, Linux cooked, loopback or raw IP) that look like RTP. With
// `port` 0: of the stream (SSRC) with most packets; otherwise those sent to that port.
absl::StatusOr<std::vector<Captured>> ReadRtp(const std::string& path, uint16_t port);

// Sends captured packets as they are, at the pace in which they came.
class Replay final : public Source {
 public:
  explicit Replay(std::shared_ptr<const std::vector<Captured>> packets) : packets_(std::move(packets)) {}
  int64_t Next(std::vector<Packet>& out) override;

 private:
  std::shared_ptr<const std::vector<Captured>> packets_;
  size_t next_ = 0;
};

}  // namespace flattone::call
