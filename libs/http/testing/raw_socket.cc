#include "libs/http/testing/raw_socket.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libs/base/check.h"

namespace flattone::http::testing {
namespace {
sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}
}  // namespace

RawSocket RawSocket::Connect(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  FT_CHECK(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect");
  return RawSocket(fd);
}

RawSocket::RawSocket(RawSocket&& other) noexcept : fd_(other.fd_), buffered_(std::move(other.buffered_)) {
  other.fd_ = -1;
}
RawSocket::~RawSocket() { Close(); }

bool RawSocket::Write(const std::string& text) {
  return send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

std::string RawSocket::ReadUntil(const std::string& end) {
  while (end.empty() || buffered_.find(end) == std::string::npos) {
    pollfd wait{fd_, POLLIN, 0};
    char chunk[4096];
    if (poll(&wait, 1, 5000) <= 0) break;
    const ssize_t count = recv(fd_, chunk, sizeof chunk, 0);
    if (count <= 0) break;
    buffered_.append(chunk, static_cast<size_t>(count));
  }
  const size_t found = end.empty() ? std::string::npos : buffered_.find(end);
  const size_t size = found == std::string::npos ? buffered_.size() : found + end.size();
  std::string out = buffered_.substr(0, size);
  buffered_.erase(0, size);
  return out;
}

std::string RawSocket::ReadAll() { return ReadUntil(""); }

void RawSocket::Reset() {
  const linger hard{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  Close();
}

void RawSocket::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

RawListener::RawListener() {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  FT_CHECK(bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0 && listen(fd_, 8) == 0, "listen");
  getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
}
RawListener::~RawListener() { close(fd_); }
RawSocket RawListener::Accept() { return RawSocket(accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)); }

}  // namespace flattone::http::testing
