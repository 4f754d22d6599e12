#include "libs/rtp/rtcp.h"

#include <string_view>
#include <vector>

#include "libs/testing/catch.h"

namespace flattone::rtp {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes SenderCompound() {
  Bytes bytes(200);
  const ReportBlock block{.ssrc = 7, .fraction_lost = 3, .cumulative_lost = -5, .extended_highest = 0x10002,
                          .jitter = 9, .last_sr = 10, .delay_since_last_sr = 11};
  size_t size = WriteSenderReport({.ssrc = 1, .ntp = 0x0102030405060708, .rtp_timestamp = 160, .packet_count = 50,
                                   .octet_count = 8000}, std::span(&block, 1), bytes);
  const std::string_view name = "caller@box";
  size += WriteCname(1, {reinterpret_cast<const uint8_t*>(name.data()), name.size()}, std::span(bytes).subspan(size));
  size += WriteGoodbye(1, std::span(bytes).subspan(size));
  bytes.resize(size);
  return bytes;
}

TEST_CASE("A compound is walked packet by packet") {
  const Bytes bytes = SenderCompound();
  const auto compound = RtcpCompound::Parse(bytes);
  REQUIRE(compound.has_value());
  std::vector<RtcpType> types;
  for (const RtcpPacket packet : *compound) types.push_back(packet.type);
  CHECK(types == std::vector<RtcpType>{RtcpType::kSenderReport, RtcpType::kSourceDescription, RtcpType::kGoodbye});
  const auto report = SenderReport::Of(*compound->begin());
  REQUIRE(report.has_value());
  CHECK(report->ntp() == 0x0102030405060708);
  CHECK(report->packet_count() == 50);
  CHECK(report->octet_count() == 8000);
  REQUIRE(report->block_count() == 1);
  CHECK(report->block(0).ssrc == 7);
  CHECK(report->block(0).cumulative_lost == -5);
  CHECK(report->block(0).extended_highest == 0x10002);
  CHECK(report->block(0).delay_since_last_sr == 11);
}

TEST_CASE("Compounds that do not add up are refused") {
  Bytes bytes = SenderCompound();
  SECTION("cut by one word") { bytes.resize(bytes.size() - 4); }
  SECTION("cut by one byte") { bytes.pop_back(); }
  SECTION("a length beyond the end") { bytes[3] = 0xff; }
  SECTION("more report blocks than bytes") { bytes[0] = 0x80 | 31; }
  SECTION("wrong version in the second packet") { bytes[52] = 0x41; }
  SECTION("padding before the last packet") { bytes[0] |= 0x20; }
  SECTION("a description item beyond its packet") { bytes[52 + 9] = 200; }
  SECTION("no report in front") { bytes.erase(bytes.begin(), bytes.begin() + 52); }
  SECTION("not RTCP at all") { bytes[1] = 0; }
  CHECK_FALSE(RtcpCompound::Parse(bytes).has_value());
}

TEST_CASE("Padding of the last packet is taken off its body") {
  Bytes bytes(8);
  REQUIRE(WriteReceiverReport(5, {}, bytes) == 8);
  Bytes padded = bytes;
  padded.insert(padded.end(), {0x80 | 0x20 | 1, 203, 0, 2, 0, 0, 0, 5, 0, 0, 0, 4});
  const auto compound = RtcpCompound::Parse(padded);
  REQUIRE(compound.has_value());
  auto second = ++compound->begin();
  CHECK((*second).body.size() == 4);
  padded.back() = 12;
  CHECK_FALSE(RtcpCompound::Parse(padded).has_value());
}

TEST_CASE("A NACK gives its numbers") {
  const Bytes bytes = {0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0x12, 0x34, 0, 5};
  const auto compound = RtcpCompound::Parse(bytes);
  REQUIRE(compound.has_value());
  const auto nack = Nack::Of(*compound->begin());
  REQUIRE(nack.has_value());
  CHECK(nack->media_ssrc() == 2);
  REQUIRE(nack->size() == 1);
  CHECK(nack->sequence(0) == 0x1234);
  CHECK(nack->mask(0) == 5);
}

TEST_CASE("Extended report blocks are walked and must fit") {
  Bytes bytes = {0x80, 207, 0, 7, 0, 0, 0, 1,                                 // header, SSRC
                 4, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0,                          // receiver reference time
                 1, 0, 0, 2, 0, 0, 0, 2, 0, 10, 0, 20};                       // loss run lengths
  const auto compound = RtcpCompound::Parse(bytes);
  REQUIRE(compound.has_value());
  int blocks = 0;
  ForEachExtendedBlock(*compound->begin(), [&](const ExtendedBlock& block) {
    ++blocks;
    CHECK(block.has_sequences() == (block.type == 1));
    if (block.has_sequences()) CHECK(block.end_sequence() == 20);
  });
  CHECK(blocks == 2);
  bytes[23] = 3;
  CHECK_FALSE(RtcpCompound::Parse(bytes).has_value());
}

}  // namespace
}  // namespace flattone::rtp
