// Endpoint ⇔ sockaddr.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "services/media-relay/media/endpoint.h"

namespace flattone::relay {

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

inline socklen_t ToSocketAddress(const Endpoint& endpoint, SocketAddress& out) {
  std::memset(&out, 0, sizeof out);
  if (endpoint.ipv6) {
    out.v6.sin6_family = AF_INET6;
    out.v6.sin6_port = htons(endpoint.port);
    std::memcpy(&out.v6.sin6_addr, endpoint.address.data(), 16);
    return sizeof out.v6;
  }
  out.v4.sin_family = AF_INET;
  out.v4.sin_port = htons(endpoint.port);
  std::memcpy(&out.v4.sin_addr, endpoint.address.data(), 4);
  return sizeof out.v4;
}

inline Endpoint FromSocketAddress(const SocketAddress& in) {
  Endpoint endpoint;
  endpoint.ipv6 = in.any.sa_family == AF_INET6;
  if (endpoint.ipv6) {
    endpoint.port = ntohs(in.v6.sin6_port);
    std::memcpy(endpoint.address.data(), &in.v6.sin6_addr, 16);
  } else {
    endpoint.port = ntohs(in.v4.sin_port);
    std::memcpy(endpoint.address.data(), &in.v4.sin_addr, 4);
  }
  return endpoint;
}

}  // namespace flattone::relay
