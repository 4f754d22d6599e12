#include "libs/http/address.h"

#include <arpa/inet.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::http {
namespace {

struct Range {
  const char* cidr;
  const char* kind;
};

// IANA's special-purpose registries (RFC 6890 and its updates).
constexpr Range kRefusedV4[] = {
    {"0.0.0.0/8", "an unspecified"},      {"10.0.0.0/8", "a private"},        {"100.64.0.0/10", "a carrier-grade NAT"},
    {"127.0.0.0/8", "a loopback"},        {"169.254.0.0/16", "a link-local"}, {"172.16.0.0/12", "a private"},
    {"192.0.0.0/24", "a reserved"},       {"192.0.2.0/24", "a documentation"}, {"192.88.99.0/24", "a 6to4 relay"},
    {"192.168.0.0/16", "a private"},      {"198.18.0.0/15", "a benchmarking"}, {"198.51.100.0/24", "a documentation"},
    {"203.0.113.0/24", "a documentation"}, {"224.0.0.0/4", "a multicast"},     {"240.0.0.0/4", "a reserved"},
};
// Only 2000::/3 is public unicast; these parts of it are not.
constexpr Range kRefusedV6[] = {
    {"2001::/23", "a reserved"},     // Teredo, ORCHID, benchmarking with it
    {"2001:db8::/32", "a documentation"},
    {"2002::/16", "a 6to4"},
    {"3fff::/20", "a documentation"},
};
// Forms that carry an IPv4 address inside: never excepted, or a list of v4 ranges could be gone around.
constexpr Range kTunnels[] = {
    {"::ffff:0:0/96", "an IPv4-mapped"},
    {"64:ff9b::/96", "a NAT64"},
    {"64:ff9b:1::/48", "a NAT64"},
    {"2002::/16", "a 6to4"},
    {"2001::/32", "a Teredo"},
};

bool InRange(const Range& range, const IpAddress& address) {
  auto cidr = Cidr::Parse(range.cidr);
  return cidr.ok() && cidr->Contains(address);
}

// What kind of address that must not be reached it is, or nullptr when it is a public one.
const char* RefusedKind(const IpAddress& address) {
  if (address.v4) {
    for (const Range& range : kRefusedV4) {
      if (InRange(range, address)) return range.kind;
    }
    return nullptr;
  }
  for (const Range& range : kRefusedV6) {
    if (InRange(range, address)) return range.kind;
  }
  if ((address.bytes[0] & 0xe0) != 0x20) return "a non-public IPv6";
  return nullptr;
}

}  // namespace

absl::StatusOr<IpAddress> IpAddress::Parse(std::string_view text) {
  const std::string copy(text);
  IpAddress address;
  if (inet_pton(AF_INET, copy.c_str(), address.bytes.data()) == 1 && copy.size() == text.size()) return address;
  address.bytes.fill(0);
  address.v4 = false;
  if (inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) return address;
  return InvalidField("address", "is not an IP address", "a literal IPv4 or IPv6 address");
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(v4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

absl::StatusOr<Cidr> Cidr::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  auto base = IpAddress::Parse(text.substr(0, slash));
  if (!base.ok()) return InvalidField("cidr", "is malformed", "such as 203.0.113.0/24 or 2001:db8::/32");
  const int bits = base->v4 ? 32 : 128;
  int prefix = bits;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    if (digits.empty() || digits.size() > 3) return InvalidField("cidr", "has a malformed prefix", "0 to 32 or 128");
    prefix = 0;
    for (char c : digits) {
      if (c < '0' || c > '9') return InvalidField("cidr", "has a malformed prefix", "0 to 32 or 128");
      prefix = prefix * 10 + (c - '0');
    }
    if (prefix > bits) return InvalidField("cidr", "has a malformed prefix", absl::StrCat("0 to ", bits));
  }
  return Cidr{*base, prefix};
}

bool Cidr::Contains(const IpAddress& address) const {
  if (address.v4 != base.v4) return false;
  const int whole = prefix / 8;
  if (std::memcmp(address.bytes.data(), base.bytes.data(), static_cast<size_t>(whole)) != 0) return false;
  const int rest = prefix % 8;
  if (rest == 0) return true;
  const int mask = 0xff << (8 - rest) & 0xff;
  const auto i = static_cast<size_t>(whole);
  return (address.bytes[i] & mask) == (base.bytes[i] & mask);
}

AddressPolicy AddressPolicy::Any() {
  AddressPolicy policy;
  policy.any_ = true;
  return policy;
}

AddressPolicy AddressPolicy::PublicOnly(std::vector<Cidr> exceptions) {
  AddressPolicy policy;
  policy.exceptions_ = std::move(exceptions);
  return policy;
}

absl::Status AddressPolicy::Check(const IpAddress& address) const {
  if (any_) return absl::OkStatus();
  const char* kind = nullptr;
  for (const Range& tunnel : kTunnels) {
    if (InRange(tunnel, address)) kind = tunnel.kind;
  }
  if (kind == nullptr) {
    for (const Cidr& exception : exceptions_) {
      if (exception.Contains(address)) return absl::OkStatus();
    }
    kind = RefusedKind(address);
  }
  if (kind == nullptr) return absl::OkStatus();
  return Refusal(absl::StatusCode::kPermissionDenied,
                 {.code = "address_refused", .field = "url", .limit = "a public address", .fix = {}},
                 absl::StrCat(address.ToString(), " is ", kind, " address, which may not be called"));
}

}  // namespace flattone::http
