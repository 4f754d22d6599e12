#include "services/media-relay/io/port_block.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/error.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"
#include "services/media-relay/io/sockaddr.h"

namespace flattone::relay {
namespace {

// An address of loopback that nothing else here uses.
constexpr char kHost[] = "127.0.83.2";

std::string CodeOf(const absl::Status& status) { return DetailOf(status).value_or(ErrorDetail{}).code; }
std::string FieldOf(const absl::Status& status) { return DetailOf(status).value_or(ErrorDetail{}).field; }

int Bind(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  SocketAddress address;
  const socklen_t size = ToSocketAddress(*Endpoint::From(kHost, port), address);
  if (bind(fd, &address.any, size) == 0) return fd;
  close(fd);
  return -1;
}

TEST_CASE("each pair is given once: an even port and the one above it, both bound, in no order; released it is free again") {
  testing::SeededRandom random(7);
  const auto block = PortBlock::Create({.ipv4 = kHost, .ipv6 = {}, .first = 15001, .last = 15065}, random);
  REQUIRE(block.ok());
  CHECK((*block)->free_pairs(false) == 32);
  std::vector<PortPair> pairs;
  std::vector<uint16_t> ports;
  for (int i = 0; i < 32; ++i) {
    auto pair = (*block)->Open(false);
    REQUIRE(pair.ok());
    ports.push_back(pair->local().port);
    pairs.push_back(*std::move(pair));
    CHECK(ports.back() % 2 == 0);
    CHECK(ports.back() >= 15002);
    CHECK(Bind(ports.back()) < 0);
    CHECK(Bind(static_cast<uint16_t>(ports.back() + 1)) < 0);
  }
  CHECK(std::set<uint16_t>(ports.begin(), ports.end()).size() == 32);
  CHECK_FALSE(std::is_sorted(ports.begin(), ports.end()));
  CHECK_FALSE(std::is_sorted(ports.rbegin(), ports.rend()));
  CHECK(CodeOf((*block)->Open(false).status()) == "no_ports");
  const uint16_t back = pairs[5].local().port;
  (*block)->Release(std::move(pairs[5]));
  const int fd = Bind(back);
  CHECK(fd >= 0);
  close(fd);
  const auto again = (*block)->Open(false);
  REQUIRE(again.ok());
  CHECK(again->local().port == back);
}

TEST_CASE("a pair of which another process holds one port is passed over, and stays for later") {
  testing::SeededRandom random(7);
  const auto block = PortBlock::Create({.ipv4 = kHost, .ipv6 = {}, .first = 15100, .last = 15103}, random);
  REQUIRE(block.ok());
  const int held = Bind(15101);
  REQUIRE(held >= 0);
  const auto pair = (*block)->Open(false);
  REQUIRE(pair.ok());
  CHECK(pair->local().port == 15102);
  CHECK(CodeOf((*block)->Open(false).status()) == "no_ports");
  close(held);
  const auto other = (*block)->Open(false);
  REQUIRE(other.ok());
  CHECK(other->local().port == 15100);
}

TEST_CASE("a family without an address is refused, and settings that cannot be used are named") {
  testing::SeededRandom random(7);
  const auto block = PortBlock::Create({.ipv4 = kHost, .ipv6 = {}, .first = 15200, .last = 15203}, random);
  REQUIRE(block.ok());
  CHECK(CodeOf((*block)->Open(true).status()) == "no_address_family");
  const auto field = [&](const PortBlockOptions& options) { return FieldOf(PortBlock::Create(options, random).status()); };
  CHECK(field({.ipv4 = {}, .ipv6 = {}}) == "media-ipv4");
  CHECK(field({.ipv4 = "::1", .ipv6 = {}}) == "media-ipv4");
  CHECK(field({.ipv4 = {}, .ipv6 = "127.0.0.1"}) == "media-ipv6");
  CHECK(field({.ipv4 = "0.0.0.0", .ipv6 = {}}) == "media-ipv4");
  CHECK(field({.ipv4 = kHost, .ipv6 = {}, .first = 80, .last = 4000}) == "media-ports");
  CHECK(field({.ipv4 = kHost, .ipv6 = {}, .first = 4000, .last = 4000}) == "media-ports");
}

}  // namespace
}  // namespace flattone::relay
