// A transport address as the core sees it: comparable, hashable by bytes, free of sockets.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flattone::relay {

struct Endpoint {
  std::array<uint8_t, 16> address{};  // IPv4 in the first four bytes, the rest zero
  uint16_t port = 0;                  // host order
  bool ipv6 = false;

  // From a numeric address; nullopt when it is none.
  static std::optional<Endpoint> From(std::string_view address, uint16_t port);
  std::string Address() const;
  std::string Text() const;  // "192.0.2.1:5004", "[2001:db8::1]:5004"

  bool SameAddress(const Endpoint& other) const { return ipv6 == other.ipv6 && address == other.address; }
  bool operator==(const Endpoint& other) const { return port == other.port && SameAddress(other); }
  bool operator!=(const Endpoint& other) const { return !(*this == other); }
  // 0.0.0.0, :: or port 0: nothing can be sent there.
  bool Unspecified() const { return port == 0 || address == std::array<uint8_t, 16>{}; }
};

// A range of addresses, "198.51.100.0/24".
struct Prefix {
  Endpoint base;
  uint8_t bits = 0;

  static std::optional<Prefix> From(std::string_view text);
  bool Contains(const Endpoint& endpoint) const;
};

}  // namespace flattone::relay
