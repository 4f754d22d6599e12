// IP addresses and the policy which of them a webhook may reach.
//
//   AddressPolicy policy = AddressPolicy::PublicOnly({Cidr::Parse("127.0.0.9/32").value()});
//   policy.Check(address)  → OK, or PERMISSION_DENIED that names the kind of address
//
// Without exceptions it refuses everything that is not a public unicast address: private, loopback,
// link-local (the cloud metadata address with it), CGNAT, 0.0.0.0/8, multicast, reserved, IPv4-mapped,
// NAT64, 6to4, Teredo. The exceptions are the operator's list; mapped forms are never excepted.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace flattone::http {

struct IpAddress {
  bool v4 = true;
  std::array<uint8_t, 16> bytes{};  // v4 uses the first four

  // Literal addresses only. INVALID_ARGUMENT otherwise.
  static absl::StatusOr<IpAddress> Parse(std::string_view text);
  std::string ToString() const;
  bool operator==(const IpAddress&) const = default;
};

struct Cidr {
  IpAddress base;
  int prefix = 0;

  // "10.0.0.0/8", "fd00::/8" or a single address. INVALID_ARGUMENT otherwise.
  static absl::StatusOr<Cidr> Parse(std::string_view text);
  bool Contains(const IpAddress& address) const;
};

class AddressPolicy {
 public:
  // Everything is allowed: for peers that the operator configured (a PSP's address).
  static AddressPolicy Any();
  static AddressPolicy PublicOnly(std::vector<Cidr> exceptions);

  // OK or PERMISSION_DENIED. Any thread.
  absl::Status Check(const IpAddress& address) const;

 private:
  bool any_ = false;
  std::vector<Cidr> exceptions_;
};

}  // namespace flattone::http
