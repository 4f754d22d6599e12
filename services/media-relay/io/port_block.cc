#include "services/media-relay/io/port_block.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/media-relay/io/sockaddr.h"

namespace flattone::relay {
namespace {

constexpr int kTries = 32;  // pairs that another process may hold

int OpenSocket(const Endpoint& local, int buffer_bytes) {
  const int fd = socket(local.ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int one = 1;
  if (local.ipv6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  if (buffer_bytes > 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
  }
  SocketAddress address;
  const socklen_t size = ToSocketAddress(local, address);
  if (bind(fd, &address.any, size) != 0) {
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

}  // namespace

PortPair& PortPair::operator=(PortPair&& other) noexcept {
  std::swap(rtp_fd_, other.rtp_fd_);
  std::swap(rtcp_fd_, other.rtcp_fd_);
  std::swap(local_, other.local_);
  return *this;
}

PortPair::~PortPair() {
  if (rtp_fd_ >= 0) close(rtp_fd_);
  if (rtcp_fd_ >= 0) close(rtcp_fd_);
}

absl::StatusOr<std::unique_ptr<PortBlock>> PortBlock::Create(const PortBlockOptions& options, Random& random) {
  if (options.ipv4.empty() && options.ipv6.empty()) return InvalidField("media-ipv4", "and media-ipv6 are empty", "at least one address");
  for (const bool ipv6 : {false, true}) {
    const std::string& text = ipv6 ? options.ipv6 : options.ipv4;
    if (text.empty()) continue;
    const auto address = Endpoint::From(text, 1);
    if (!address || address->ipv6 != ipv6 || address->Unspecified()) {
      return InvalidField(ipv6 ? "media-ipv6" : "media-ipv4", absl::StrCat("is '", text, "'"),
                          ipv6 ? "an IPv6 address of this machine" : "an IPv4 address of this machine");
    }
  }
  if (options.first < 1024 || options.last <= options.first) {
    return InvalidField("media-ports", absl::StrCat("is ", options.first, "-", options.last), "a range within 1024 to 65535");
  }
  return std::unique_ptr<PortBlock>(new PortBlock(options, random));
}

PortBlock::PortBlock(const PortBlockOptions& options, Random& random) : options_(options), random_(random) {
  for (uint32_t port = (options.first + 1u) & ~1u; port + 1 <= options.last; port += 2) {
    for (const bool ipv6 : {false, true}) {
      if (has(ipv6)) free_[ipv6].push_back(static_cast<uint16_t>(port));
    }
  }
}

absl::StatusOr<PortPair> PortBlock::Bind(bool ipv6, uint16_t port) {
  const auto rtp = Endpoint::From(ipv6 ? options_.ipv6 : options_.ipv4, port);
  Endpoint rtcp = *rtp;
  ++rtcp.port;
  const int rtp_fd = OpenSocket(*rtp, options_.socket_buffer_bytes);
  const int rtcp_fd = rtp_fd < 0 ? -1 : OpenSocket(rtcp, options_.socket_buffer_bytes);
  const int error = errno;
  PortPair pair(rtp_fd, rtcp_fd, *rtp);
  if (rtcp_fd >= 0) return pair;
  if (error == EADDRINUSE) return absl::AlreadyExistsError("in use");
  return absl::ResourceExhaustedError(absl::StrCat("cannot open ", rtp->Text(), ": errno ", error));
}

absl::StatusOr<PortPair> PortBlock::Open(bool ipv6) {
  if (!has(ipv6)) {
    return Refusal(absl::StatusCode::kFailedPrecondition,
                   {.code = "no_address_family", .field = "sdp c=", .limit = ipv6 ? "IP4" : "IP6", .fix = {}},
                   absl::StrCat("this relay has no ", ipv6 ? "IPv6" : "IPv4", " media address"));
  }
  const std::lock_guard lock(mutex_);
  std::vector<uint16_t>& free = free_[ipv6];
  for (int i = 0; i < kTries && !free.empty(); ++i) {
    const size_t at = random_.Below(free.size());
    auto pair = Bind(ipv6, free[at]);
    if (pair.ok()) {
      free[at] = free.back();
      free.pop_back();
      return pair;
    }
    if (pair.status().code() != absl::StatusCode::kAlreadyExists) return pair.status();
  }
  return Refusal(absl::StatusCode::kResourceExhausted,
                 {.code = "no_ports", .field = {}, .limit = {}, .fix = "try another relay, or widen --media-ports"},
                 "no media port is free");
}

void PortBlock::Release(PortPair pair) {
  if (!pair.open()) return;
  const Endpoint local = pair.local();
  { const PortPair closing(std::move(pair)); }
  const std::lock_guard lock(mutex_);
  free_[local.ipv6].push_back(local.port);
}

size_t PortBlock::free_pairs(bool ipv6) const {
  const std::lock_guard lock(mutex_);
  return free_[ipv6].size();
}

}  // namespace flattone::relay
