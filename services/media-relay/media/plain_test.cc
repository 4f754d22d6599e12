#include "libs/rtp/rtcp.h"
#include "libs/testing/catch.h"
#include "services/media-relay/media/media_rig.h"

namespace flattone::relay {
namespace {

using testing::At;
using testing::MediaRig;

TEST_CASE("Plain packets are forwarded byte for byte, both ways") {
  MediaRig rig;
  auto bytes = MediaRig::Packet({.sequence = 65535, .payload_type = 101, .marker = true, .payload = {5, 10, 0, 160}});
  rig.Push(MediaRig::kCallerRtp, rig.caller, bytes);
  rig.FromAgent({.sequence = 9});
  const auto out = rig.Out();
  REQUIRE(out.size() == 2);
  CHECK(out[0].port == MediaRig::kAgentRtp);
  CHECK(out[0].to == rig.agent);
  CHECK(out[0].bytes == bytes);
  CHECK(out[1].port == MediaRig::kCallerRtp);
  CHECK(out[1].to == rig.caller);
  CHECK(rig.Counts().counts[0].packets_sent == 1);
  CHECK(rig.Counts().counts[0].events_received == 1);
}

TEST_CASE("Header extensions and unknown payload types pass in plain") {
  MediaRig rig;
  std::vector<uint8_t> bytes = {0x90, 77, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 5};
  rig.Push(MediaRig::kCallerRtp, rig.caller, bytes);
  REQUIRE(rig.sent.size() == 1);
  CHECK(rig.sent[0].bytes == bytes);
}

TEST_CASE("What nobody negotiated passes as it is and moves neither the numbers of the stream nor what was learnt") {
  MediaRig rig;
  rig.FromCaller({.sequence = 1});
  rig.Secure();  // an event in a capture: from here on the numbers are shifted
  rig.FromCaller({.sequence = 2, .payload_type = 101, .payload = {5, 0x8a, 1, 64}});
  rig.Masked(2, 0, 0);
  rig.shard.Unsecure(MediaRig::kSlot, MediaRig::kLeg, rig.now, rig.out);
  rig.Out();
  std::vector<uint8_t> report(28);
  rtp::WriteSenderReport({.ssrc = 0xcafe, .ntp = 0x0123456789abcdef, .rtp_timestamp = 2}, {}, report);
  rig.Push(MediaRig::kCallerRtp, rig.caller, report);
  rig.Push(MediaRig::kCallerRtp, At("192.0.2.10", 4444), MediaRig::Packet({.sequence = 3}));  // carries on
  const auto out = rig.Out();
  REQUIRE(out.size() == 2);
  CHECK(out[0].bytes == report);
  CHECK(out[1].Rtp().sequence() == 2);
}

TEST_CASE("A stranger is dropped before and after the first real packet") {
  MediaRig rig;
  const Endpoint stranger = At("203.0.113.66", 4000);
  rig.Push(MediaRig::kCallerRtp, stranger, MediaRig::Packet({.sequence = 1, .ssrc = 0xbad}));
  rig.FromCaller({.sequence = 1});
  for (uint16_t i = 2; i < 50; ++i) rig.Push(MediaRig::kCallerRtp, stranger, MediaRig::Packet({.sequence = i}));
  CHECK(rig.Out().size() == 1);
  CHECK(rig.Counts().counts[0].dropped_source == 49);
  CHECK(rig.Counts().remotes[0] == rig.caller);
}

TEST_CASE("A new port of the same address is followed only when it carries on") {
  MediaRig rig;
  rig.FromCaller({.sequence = 100});
  const Endpoint moved = At("192.0.2.10", 4444);
  rig.Push(MediaRig::kCallerRtp, moved, MediaRig::Packet({.sequence = 101, .ssrc = 0xbad}));
  rig.Push(MediaRig::kCallerRtp, moved, MediaRig::Packet({.sequence = 5000}));
  rig.Push(MediaRig::kCallerRtp, moved, MediaRig::Packet({.sequence = 99}));
  CHECK(rig.Out().size() == 1);
  rig.Push(MediaRig::kCallerRtp, moved, MediaRig::Packet({.sequence = 101}));
  rig.FromAgent({.sequence = 1});
  const auto out = rig.Out();
  REQUIRE(out.size() == 2);
  CHECK(out[1].to == moved);
  rig.FromCaller({.sequence = 60000});  // the old port is a stranger's now
  CHECK(rig.Out().empty());
}

TEST_CASE("Behind NAT three good packets from the prefix are learnt, and nobody after them") {
  MediaRig rig;
  rig.Signal(Side::kCaller, At("10.0.0.1", 4000), false, true);
  const Endpoint nat = At("198.51.100.7", 1024), rival = At("198.51.100.8", 1024), outside = At("203.0.113.1", 1024);
  for (uint16_t i = 1; i <= 5; ++i) rig.Push(MediaRig::kCallerRtp, outside, MediaRig::Packet({.sequence = i}));
  rig.Push(MediaRig::kCallerRtp, rival, MediaRig::Packet({.sequence = 1, .payload_type = 33}));
  for (uint16_t i = 1; i <= 2; ++i) rig.Push(MediaRig::kCallerRtp, rival, MediaRig::Packet({.sequence = 1, .ssrc = 0xbad}));
  for (uint16_t i = 1; i <= 4; ++i) rig.Push(MediaRig::kCallerRtp, nat, MediaRig::Packet({.sequence = i}));
  CHECK(rig.Out().size() == 2);
  for (uint16_t i = 2; i <= 9; ++i) rig.Push(MediaRig::kCallerRtp, rival, MediaRig::Packet({.sequence = i, .ssrc = 0xbad}));
  CHECK(rig.Out().empty());
  rig.FromAgent({.sequence = 1});
  REQUIRE(rig.sent.size() == 1);
  CHECK(rig.sent[0].to == nat);
}

TEST_CASE("A re-offer moves a leg; hold by zero address stops sending and resumes") {
  MediaRig rig;
  rig.FromCaller({.sequence = 1});
  rig.Signal(Side::kCaller, Endpoint{}, false);
  rig.Out();
  rig.FromAgent({.sequence = 1});
  CHECK(rig.Out().empty());
  CHECK(rig.Counts().counts[1].dropped_no_address == 1);
  rig.Signal(Side::kCaller, rig.caller, false);
  rig.FromAgent({.sequence = 2});
  REQUIRE(rig.Out().size() == 1);
  rig.Signal(Side::kCaller, At("192.0.2.99", 6000), false);
  rig.FromAgent({.sequence = 3});
  REQUIRE(rig.sent.size() == 1);
  CHECK(rig.sent[0].to == At("192.0.2.99", 6000));
  rig.Out();
  rig.FromCaller({.sequence = 2});  // from the old address
  CHECK(rig.Out().empty());
}

TEST_CASE("Rubbish is counted and goes nowhere") {
  MediaRig rig;
  rig.Push(MediaRig::kCallerRtp, rig.caller, {1, 2, 3});
  rig.Push(MediaRig::kCallerRtcp, At("192.0.2.10", 4001), MediaRig::Packet({}));
  rig.Push(4000, rig.caller, MediaRig::Packet({}));  // no such call
  CHECK(rig.Out().empty());
  CHECK(rig.Counts().counts[0].dropped_malformed == 1);
  CHECK(rig.Counts().counts[0].rtcp_dropped == 1);
}

TEST_CASE("RTCP goes from port to port, and over the RTP port where both are muxed") {
  MediaRig rig;
  std::vector<uint8_t> report(28);
  rtp::WriteSenderReport({.ssrc = 0xcafe, .ntp = 1, .rtp_timestamp = 2, .packet_count = 3, .octet_count = 4}, {}, report);
  rig.Push(MediaRig::kCallerRtcp, At("192.0.2.10", 4001), report);
  REQUIRE(rig.sent.size() == 1);
  CHECK(rig.sent[0].port == MediaRig::kAgentRtcp);
  CHECK(rig.sent[0].to == At("192.0.2.20", 5001));
  CHECK(rig.sent[0].bytes == report);
  rig.Out();

  rig.Signal(Side::kCaller, At("192.0.2.11", 4000), true);
  rig.Push(MediaRig::kCallerRtp, At("192.0.2.11", 4000), report);  // RTP has not been heard from there
  CHECK(rig.Out().empty());
  rig.Push(MediaRig::kCallerRtp, At("192.0.2.11", 4000), MediaRig::Packet({.sequence = 1}));
  rig.Push(MediaRig::kCallerRtp, At("192.0.2.11", 4000), report);
  CHECK(rig.Out().size() == 2);
  std::vector<uint8_t> back(28);
  rtp::WriteSenderReport({.ssrc = 1}, {}, back);
  rig.Push(MediaRig::kAgentRtcp, At("192.0.2.20", 5001), back);
  REQUIRE(rig.sent.size() == 1);
  CHECK(rig.sent[0].port == MediaRig::kCallerRtp);
}

TEST_CASE("A re-offer that moves RTCP alone is followed") {
  MediaRig rig;
  std::vector<uint8_t> report(8);
  rtp::WriteReceiverReport(0xcafe, {}, report);
  rig.FromCaller({.sequence = 1});
  rig.Push(MediaRig::kCallerRtcp, At("192.0.2.10", 4001), report);
  LegConfig leg;
  leg.learning.signalled = rig.caller;
  leg.learning.signalled_rtcp = At("192.0.2.10", 4777);
  rig.shard.SetLeg(MediaRig::kSlot, Side::kCaller, leg);
  rig.Out();
  rig.Push(MediaRig::kAgentRtcp, At("192.0.2.20", 5001), report);
  REQUIRE(rig.sent.size() == 1);
  CHECK(rig.sent[0].to == At("192.0.2.10", 4777));
}

TEST_CASE("Loss and jitter are measured") {
  MediaRig rig;
  for (uint16_t i = 1; i <= 100; ++i) {
    rig.now += i % 2 == 0 ? 25'000'000 : 15'000'000;
    if (i % 10 != 5) rig.FromCaller({.sequence = i});
  }
  CHECK(rig.Counts().lost[0] == 10);
  CHECK(rig.Counts().jitter_us[0] > 3000);
  CHECK(rig.Counts().jitter_us[0] < 6000);
}

TEST_CASE("A call without packets is reported once; on hold it may be silent longer") {
  MediaRig rig;
  rig.FromCaller({});
  rig.Tick(59'000'000'000);
  CHECK(rig.notices.empty());
  rig.Tick(2'000'000'000);
  rig.Tick(5'000'000'000);
  REQUIRE(rig.notices.size() == 1);
  CHECK(rig.notices[0].kind == Notice::Kind::kIdle);

  MediaRig held;
  LegConfig leg;
  leg.held = true;
  leg.learning.signalled = held.agent;
  held.shard.SetLeg(MediaRig::kSlot, Side::kAgent, leg);
  held.Tick(100'000'000'000);
  CHECK(held.notices.empty());
}

TEST_CASE("A slot is free again after removal") {
  MediaRig rig;
  CHECK_FALSE(rig.shard.Add(MediaRig::kSlot, rig.now));
  CHECK(rig.shard.Remove(MediaRig::kSlot, rig.out));
  CHECK_FALSE(rig.shard.Remove(MediaRig::kSlot, rig.out));
  CHECK(rig.shard.Add(MediaRig::kSlot, rig.now));
  CHECK_FALSE(rig.shard.Add(99, rig.now));
}

}  // namespace
}  // namespace flattone::relay
