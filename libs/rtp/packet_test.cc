#include "libs/rtp/packet.h"

#include <algorithm>
#include <vector>

#include "libs/testing/catch.h"

namespace flattone::rtp {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes Plain() { return {0x80, 0x88, 0x12, 0x34, 0, 0, 0, 0xa0, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4}; }

TEST_CASE("A plain packet gives its fields and its payload") {
  const Bytes bytes = Plain();
  const auto packet = PacketView::Parse(bytes);
  REQUIRE(packet.has_value());
  CHECK(packet->payload_type() == 8);
  CHECK(packet->marker());
  CHECK(packet->sequence() == 0x1234);
  CHECK(packet->timestamp() == 160);
  CHECK(packet->ssrc() == 0xdeadbeef);
  CHECK(packet->payload().size() == 4);
  CHECK_FALSE(packet->has_extension());
}

TEST_CASE("CSRCs, extension and padding are taken off the payload") {
  Bytes bytes = Plain();
  bytes[0] = 0x80 | 0x20 | 0x10 | 2;
  const Bytes middle = {0, 0, 0, 7, 0, 0, 0, 8, 0xbe, 0xde, 0, 1, 9, 9, 9, 9};
  bytes.insert(bytes.begin() + 12, middle.begin(), middle.end());
  bytes.push_back(0);
  bytes.push_back(2);
  const auto packet = PacketView::Parse(bytes);
  REQUIRE(packet.has_value());
  CHECK(packet->csrc_count() == 2);
  CHECK(packet->csrc(1) == 8);
  CHECK(packet->extension_profile() == 0xbede);
  CHECK(packet->extension().size() == 4);
  CHECK(packet->padding_size() == 2);
  CHECK(packet->payload().size() == 4);
  CHECK(packet->payload()[0] == 1);
}

TEST_CASE("What does not fit the bytes is refused") {
  Bytes bytes = Plain();
  SECTION("too short") { bytes.resize(11); }
  SECTION("version 1") { bytes[0] = 0x40; }
  SECTION("more CSRCs than bytes") { bytes[0] = 0x8f; }
  SECTION("an extension longer than the packet") {
    bytes[0] = 0x90;
    bytes[14] = 0xff;
  }
  SECTION("an extension header cut off") {
    bytes[0] = 0x90;
    bytes.resize(14);
  }
  SECTION("padding of zero") {
    bytes[0] = 0xa0;
    bytes.back() = 0;
  }
  SECTION("padding that reaches into the header") {
    bytes[0] = 0xa0;
    bytes.back() = 5;
  }
  CHECK_FALSE(PacketView::Parse(bytes).has_value());
}

TEST_CASE("A written packet reads back, also when the payload is already in place") {
  Bytes out(32);
  const Bytes payload = {5, 6, 7};
  const Header header{.payload_type = 96, .marker = true, .sequence = 0xffff, .timestamp = 0x80000001, .ssrc = 42};
  REQUIRE(WritePacket(header, payload, out) == 15);
  SetSequence(out, 3);
  const auto packet = PacketView::Parse(std::span(out).first(15));
  REQUIRE(packet.has_value());
  CHECK(packet->sequence() == 3);
  CHECK(packet->timestamp() == 0x80000001);
  CHECK(packet->marker());
  CHECK(std::equal(payload.begin(), payload.end(), packet->payload().begin(), packet->payload().end()));
  CHECK(WritePacket(header, std::span(out).subspan(12, 3), out) == 15);
  CHECK(out[12] == 5);
  CHECK(WritePacket(header, payload, std::span(out).first(14)) == 0);
}

TEST_CASE("The second byte tells RTCP from RTP") {
  CHECK(LooksLikeRtcp(Bytes{0x80, 200, 0, 6}));
  CHECK_FALSE(LooksLikeRtcp(Plain()));
  CHECK_FALSE(LooksLikeRtcp(Bytes{0x80}));
}

}  // namespace
}  // namespace flattone::rtp
