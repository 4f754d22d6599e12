// A blocking socket for tests that must speak HTTP badly: half a request, a reset, silence.
#pragma once

#include <cstdint>
#include <string>

namespace flattone::http::testing {

class RawSocket {
 public:
  static RawSocket Connect(uint16_t port);  // 127.0.0.1; dies when refused
  explicit RawSocket(int fd) : fd_(fd) {}
  RawSocket(RawSocket&& other) noexcept;
  ~RawSocket();

  bool Write(const std::string& text);
  // Reads until `end` is there, the peer closes, or five seconds passed.
  std::string ReadUntil(const std::string& end);
  std::string ReadAll();
  void Reset();  // closes with a TCP reset
  void Close();

 private:
  int fd_ = -1;
  std::string buffered_;
};

// Listens on 127.0.0.1, port chosen by the system.
class RawListener {
 public:
  RawListener();
  ~RawListener();
  uint16_t port() const { return port_; }
  RawSocket Accept();

 private:
  int fd_ = -1;
  uint16_t port_ = 0;
};

}  // namespace flattone::http::testing
