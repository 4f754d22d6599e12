// UDP sockets for many legs: batches in and out, arrival times by the kernel.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace flattone::call {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  uint16_t port() const;
  bool operator==(const Address& other) const;
};

// `host` is an IPv4 or IPv6 literal.
absl::StatusOr<Address> MakeAddress(const std::string& host, uint16_t port);
// Tells addresses apart in a map.
uint64_t KeyOf(const Address& address);

struct Datagram {
  std::span<const uint8_t> bytes;
  Address to;
};

class UdpSocket {
 public:
  // Bound to any free port of `host`; with `even`, an even one (RTP's custom).
  static absl::StatusOr<std::unique_ptr<UdpSocket>> Open(const std::string& host, bool even);
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  int fd() const { return fd_; }
  const Address& local() const { return local_; }
  // Sends them all; the number that the kernel took.
  size_t Send(std::span<const Datagram> datagrams);
  // Everything that has arrived: bytes, source, nanoseconds since 1970.
  void Receive(const std::function<void(std::span<const uint8_t>, const Address&, int64_t)>& take);

 private:
  UdpSocket(int fd, const Address& local) : fd_(fd), local_(local) {}
  int fd_;
  Address local_;
};

int64_t WallNanos();

}  // namespace flattone::call
