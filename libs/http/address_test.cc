#include "libs/http/address.h"

#include "libs/testing/catch.h"

namespace flattone::http {
namespace {
absl::Status Check(const AddressPolicy& policy, const char* text) { return policy.Check(IpAddress::Parse(text).value()); }
}  // namespace

TEST_CASE("public addresses pass", "[http]") {
  const char* text = GENERATE("8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1",
                              "2606:4700:4700::1111", "2a00:1450::1");
  CAPTURE(text);
  CHECK(Check(AddressPolicy::PublicOnly({}), text).ok());
}

TEST_CASE("everything that is not public is refused", "[http]") {
  const char* text = GENERATE(
      "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.9.9.9", "169.254.169.254",
      "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "255.255.255.255",
      "::", "::1", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "fe80::1", "fc00::1",
      "fd00:ec2::254", "ff02::1", "2002:7f00:1::", "2001::1", "2001:db8::1", "fec0::1", "::127.0.0.1");
  CAPTURE(text);
  const absl::Status verdict = Check(AddressPolicy::PublicOnly({}), text);
  CHECK(verdict.code() == absl::StatusCode::kPermissionDenied);
}

TEST_CASE("an exception opens its range, never a mapped form of it", "[http]") {
  const auto policy = AddressPolicy::PublicOnly({Cidr::Parse("127.0.0.0/8").value(), Cidr::Parse("::/0").value()});
  CHECK(Check(policy, "127.0.0.1").ok());
  CHECK(Check(policy, "::1").ok());
  CHECK_FALSE(Check(policy, "10.0.0.1").ok());
  CHECK_FALSE(Check(policy, "::ffff:127.0.0.1").ok());
  CHECK_FALSE(Check(policy, "64:ff9b::7f00:1").ok());
}

TEST_CASE("ranges are compared bit by bit", "[http]") {
  const Cidr cidr = Cidr::Parse("10.1.128.0/17").value();
  CHECK(cidr.Contains(IpAddress::Parse("10.1.200.1").value()));
  CHECK_FALSE(cidr.Contains(IpAddress::Parse("10.1.127.255").value()));
  const char* broken = GENERATE("", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/-1", "x/8", "1.2.3.4/0008");
  CAPTURE(broken);
  CHECK_FALSE(Cidr::Parse(broken).ok());
}

}  // namespace flattone::http
