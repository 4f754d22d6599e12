#include "tools/callbox/udp.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "absl/strings/str_cat.h"

namespace flattone::call {
namespace {

constexpr size_t kBatch = 64;
constexpr size_t kMaxDatagram = 2048;

int64_t ArrivalOf(msghdr& header) {
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec time;
    std::memcpy(&time, CMSG_DATA(item), sizeof time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
  }
  return WallNanos();
}

absl::StatusOr<int> Bind(const std::string& host, uint16_t port, Address& local) {
  absl::StatusOr<Address> wanted = MakeAddress(host, port);
  if (!wanted.ok()) return wanted.status();
  const int fd = socket(wanted->storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ResourceExhaustedError(absl::StrCat("no UDP socket: ", std::strerror(errno), " (ulimit -n)"));
  const int on = 1, buffer = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  local.size = sizeof local.storage;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&wanted->storage), wanted->size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&local.storage), &local.size) != 0) {
    const std::string why = std::strerror(errno);
    close(fd);
    return absl::UnavailableError(absl::StrCat("cannot bind UDP ", host, ":", port, ": ", why));
  }
  return fd;
}

}  // namespace

int64_t WallNanos() {
  timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

uint16_t Address::port() const {
  return ntohs(storage.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(storage).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

bool Address::operator==(const Address& other) const {
  if (storage.ss_family != other.storage.ss_family || port() != other.port()) return false;
  if (storage.ss_family == AF_INET6)
    return std::memcmp(&reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr,
                       &reinterpret_cast<const sockaddr_in6&>(other.storage).sin6_addr, 16) == 0;
  return reinterpret_cast<const sockaddr_in&>(storage).sin_addr.s_addr ==
         reinterpret_cast<const sockaddr_in&>(other.storage).sin_addr.s_addr;
}

absl::StatusOr<Address> MakeAddress(const std::string& host, uint16_t port) {
  Address address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    address.size = sizeof v4;
  } else if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    address.size = sizeof v6;
  } else {
    return absl::InvalidArgumentError(absl::StrCat("'", host, "' is no IPv4 or IPv6 address"));
  }
  return address;
}

uint64_t KeyOf(const Address& address) {
  if (address.storage.ss_family != AF_INET6)
    return static_cast<uint64_t>(reinterpret_cast<const sockaddr_in&>(address.storage).sin_addr.s_addr) << 16 |
           address.port();
  uint64_t halves[2];
  std::memcpy(halves, &reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_addr, 16);
  return (halves[0] * 0x9E3779B97F4A7C15ull ^ halves[1]) * 0x9E3779B97F4A7C15ull ^ address.port();
}

absl::StatusOr<std::unique_ptr<UdpSocket>> UdpSocket::Open(const std::string& host, bool even) {
  absl::Status last = absl::OkStatus();
  for (int tries = 0; tries < 64; ++tries) {
    Address local;
    absl::StatusOr<int> fd = Bind(host, 0, local);
    if (!fd.ok()) return fd.status();
    if (!even || local.port() % 2 == 0) return std::unique_ptr<UdpSocket>(new UdpSocket(*fd, local));
    close(*fd);
  }
  return absl::ResourceExhaustedError(absl::StrCat("no even UDP port is free on ", host));
}

UdpSocket::~UdpSocket() { close(fd_); }

size_t UdpSocket::Send(std::span<const Datagram> datagrams) {
  size_t sent = 0;
  for (size_t from = 0; from < datagrams.size(); from += kBatch) {
    const size_t count = std::min(kBatch, datagrams.size() - from);
    std::array<mmsghdr, kBatch> headers{};
    std::array<iovec, kBatch> parts;
    for (size_t i = 0; i < count; ++i) {
      const Datagram& datagram = datagrams[from + i];
      parts[i] = {const_cast<uint8_t*>(datagram.bytes.data()), datagram.bytes.size()};
      headers[i].msg_hdr.msg_name = const_cast<sockaddr_storage*>(&datagram.to.storage);
      headers[i].msg_hdr.msg_namelen = datagram.to.size;
      headers[i].msg_hdr.msg_iov = &parts[i];
      headers[i].msg_hdr.msg_iovlen = 1;
    }
    for (size_t done = 0; done < count;) {
      const int took = sendmmsg(fd_, headers.data() + done, static_cast<unsigned>(count - done), 0);
      if (took > 0) sent += static_cast<size_t>(took);
      // An ICMP error of an earlier packet (the relay is gone) shows here: that packet is skipped, not the rest.
      done += took > 0 ? static_cast<size_t>(took) : 1;
    }
  }
  return sent;
}

void UdpSocket::Receive(const std::function<void(std::span<const uint8_t>, const Address&, int64_t)>& take) {
  static thread_local std::array<std::array<uint8_t, kMaxDatagram>, kBatch> buffers;
  struct alignas(cmsghdr) Control {
    std::array<uint8_t, 64> bytes;
  };
  static thread_local std::array<Control, kBatch> controls;
  for (;;) {
    std::array<mmsghdr, kBatch> headers{};
    std::array<iovec, kBatch> parts;
    std::array<Address, kBatch> sources;
    for (size_t i = 0; i < kBatch; ++i) {
      parts[i] = {buffers[i].data(), buffers[i].size()};
      headers[i].msg_hdr = {&sources[i].storage, sizeof sources[i].storage, &parts[i], 1, controls[i].bytes.data(),
                            controls[i].bytes.size(), 0};
    }
    const int count = recvmmsg(fd_, headers.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (count <= 0) {
      if (count < 0 && errno == ECONNREFUSED) continue;  // an old ICMP error, now read
      return;
    }
    for (int i = 0; i < count; ++i) {
      sources[i].size = headers[i].msg_hdr.msg_namelen;
      take({buffers[i].data(), headers[i].msg_len}, sources[i], ArrivalOf(headers[i].msg_hdr));
    }
    if (count < static_cast<int>(kBatch)) return;
  }
}

}  // namespace flattone::call
