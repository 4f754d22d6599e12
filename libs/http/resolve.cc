#include "libs/http/resolve.h"

#include <netdb.h>
#include <netinet/in.h>

#include <cstring>

#include "absl/strings/str_cat.h"

namespace flattone::http {

absl::StatusOr<std::vector<IpAddress>> SystemResolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) return absl::UnavailableError(absl::StrCat("cannot resolve ", host, ": ", gai_strerror(error)));
  std::vector<IpAddress> addresses;
  for (addrinfo* info = found; info != nullptr; info = info->ai_next) {
    IpAddress address;
    if (info->ai_family == AF_INET) {
      const auto* in = reinterpret_cast<const sockaddr_in*>(info->ai_addr);
      std::memcpy(address.bytes.data(), &in->sin_addr, 4);
    } else if (info->ai_family == AF_INET6) {
      const auto* in = reinterpret_cast<const sockaddr_in6*>(info->ai_addr);
      address.v4 = false;
      std::memcpy(address.bytes.data(), &in->sin6_addr, 16);
    } else {
      continue;
    }
    addresses.push_back(address);
  }
  freeaddrinfo(found);
  return addresses;
}

}  // namespace flattone::http
