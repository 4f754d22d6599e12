#include "services/media-relay/media/endpoint.h"

#include <arpa/inet.h>

namespace flattone::relay {

std::optional<Endpoint> Endpoint::From(std::string_view address, uint16_t port) {
  const std::string text(address);
  Endpoint endpoint;
  endpoint.port = port;
  if (inet_pton(AF_INET, text.c_str(), endpoint.address.data()) == 1) return endpoint;
  endpoint.address = {};
  endpoint.ipv6 = true;
  if (inet_pton(AF_INET6, text.c_str(), endpoint.address.data()) == 1) return endpoint;
  return std::nullopt;
}

std::string Endpoint::Address() const {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(ipv6 ? AF_INET6 : AF_INET, address.data(), text, sizeof text);
  return text;
}

std::string Endpoint::Text() const {
  return (ipv6 ? "[" + Address() + "]" : Address()) + ":" + std::to_string(port);
}

std::optional<Prefix> Prefix::From(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos || text.size() - slash < 2 || text.size() - slash > 4) return std::nullopt;
  const auto base = Endpoint::From(text.substr(0, slash), 0);
  if (!base) return std::nullopt;
  int bits = 0;
  for (char c : text.substr(slash + 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    bits = bits * 10 + (c - '0');
  }
  if (bits > (base->ipv6 ? 128 : 32)) return std::nullopt;
  return Prefix{*base, static_cast<uint8_t>(bits)};
}

bool Prefix::Contains(const Endpoint& endpoint) const {
  if (endpoint.ipv6 != base.ipv6) return false;
  const size_t whole = bits / 8;
  for (size_t i = 0; i < whole; ++i) {
    if (endpoint.address[i] != base.address[i]) return false;
  }
  const int rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return ((endpoint.address[whole] ^ base.address[whole]) & mask) == 0;
}

}  // namespace flattone::relay
