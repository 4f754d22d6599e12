// The relay's block of UDP ports: random pairs of an even port for RTP and the odd one above it for RTCP.
// Random, so that a sprayer cannot guess which ports carry a call. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/random.h"
#include "services/media-relay/media/endpoint.h"

namespace flattone::relay {

// A pair of bound, non-blocking sockets; closed on destruction. Give the ports back with PortBlock::Release.
class PortPair {
 public:
  PortPair() = default;
  PortPair(int rtp_fd, int rtcp_fd, Endpoint local) : rtp_fd_(rtp_fd), rtcp_fd_(rtcp_fd), local_(local) {}
  PortPair(PortPair&& other) noexcept { *this = static_cast<PortPair&&>(other); }
  PortPair& operator=(PortPair&& other) noexcept;
  ~PortPair();

  bool open() const { return rtp_fd_ >= 0; }
  int rtp_fd() const { return rtp_fd_; }
  int rtcp_fd() const { return rtcp_fd_; }
  const Endpoint& local() const { return local_; }  // of RTP; RTCP is one port above

 private:
  int rtp_fd_ = -1, rtcp_fd_ = -1;
  Endpoint local_;
};

struct PortBlockOptions {
  std::string ipv4;             // address to bind and to name in SDP; empty: none
  std::string ipv6;
  uint16_t first = 30000;
  uint16_t last = 39999;
  int socket_buffer_bytes = 0;  // 0: the system's
};

class PortBlock {
 public:
  // InvalidField names what is wrong in the options.
  static absl::StatusOr<std::unique_ptr<PortBlock>> Create(const PortBlockOptions& options, Random& random);

  // RESOURCE_EXHAUSTED when no pair is free; FAILED_PRECONDITION when the relay has no address of that family.
  absl::StatusOr<PortPair> Open(bool ipv6);
  void Release(PortPair pair);
  size_t free_pairs(bool ipv6) const;
  bool has(bool ipv6) const { return !(ipv6 ? options_.ipv6 : options_.ipv4).empty(); }

 private:
  PortBlock(const PortBlockOptions& options, Random& random);
  absl::StatusOr<PortPair> Bind(bool ipv6, uint16_t port);

  const PortBlockOptions options_;
  Random& random_;
  mutable std::mutex mutex_;
  // Per family: the even ports that are free, in no order.
  std::vector<uint16_t> free_[2];
};

}  // namespace flattone::relay
