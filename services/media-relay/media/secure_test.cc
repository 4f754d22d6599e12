#include <algorithm>
#include <set>

#include "libs/rtp/redundancy.h"
#include "libs/rtp/rtcp.h"
#include "libs/rtp/telephone_event.h"
#include "libs/testing/catch.h"
#include "services/media-relay/media/media_rig.h"

namespace flattone::relay {
namespace {

using testing::At;
using testing::MediaRig;
using testing::Sent;

constexpr int64_t kMs = 1'000'000;
constexpr uint8_t kVoice = 0x55;  // what the caller says: must never leave while secure

bool Has(const std::vector<Sent>& sent, uint8_t codeword) {
  return std::any_of(sent.begin(), sent.end(), [&](const Sent& s) {
    return std::count(s.bytes.begin() + 12, s.bytes.end(), codeword) > 4;
  });
}

TEST_CASE("While secure only the masker's answer leaves, with the packet's own header") {
  MediaRig rig;
  rig.FromCaller({.sequence = 1});
  rig.Out();
  rig.Secure();
  rig.FromCaller({.sequence = 2, .marker = true});
  CHECK(rig.Out().empty());
  const auto taken = rig.Taken();
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].before_start);
  CHECK(taken[1].leg == MediaRig::kLeg);
  CHECK_FALSE(taken[1].before_start);
  CHECK(taken[1].sequence == 2);
  CHECK(taken[1].timestamp == 320);
  CHECK(taken[1].size == 160);
  CHECK(taken[1].payload[0] == kVoice);
  rig.now += 5 * kMs;
  rig.Masked(2, 0x11);
  const auto out = rig.Out();
  REQUIRE(out.size() == 1);
  CHECK(out[0].to == rig.agent);
  CHECK(out[0].Rtp().sequence() == 2);
  CHECK(out[0].Rtp().timestamp() == 320);
  CHECK(out[0].Rtp().marker());
  CHECK(out[0].Rtp().payload_type() == 0);
  CHECK(out[0].Rtp().ssrc() == 0xcafe);
  CHECK(out[0].Rtp().payload()[80] == 0x11);
  CHECK(rig.Counts().counts[0].frames_masked == 1);
  CHECK(rig.Counts().counts[0].frames_altered == 1);
}

TEST_CASE("The receive buffer of a secure packet is wiped, and the agent's sound is untouched") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 2});
  CHECK(std::count(rig.pushed.begin(), rig.pushed.end(), 0) == static_cast<long>(rig.pushed.size()));
  const auto voice = MediaRig::Packet({.sequence = 7});
  rig.Push(MediaRig::kAgentRtp, rig.agent, voice);
  REQUIRE(rig.sent.size() == 1);
  CHECK(rig.sent[0].bytes == voice);
}

TEST_CASE("A frame that is not back in time leaves as comfort; its late answer is dropped and counted") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 2});
  rig.Tick(14 * kMs);
  CHECK(rig.Out().empty());
  rig.Tick(1 * kMs);
  const auto out = rig.Out();
  REQUIRE(out.size() == 1);
  CHECK(out[0].Rtp().sequence() == 2);
  CHECK(out[0].Rtp().payload().size() == 160);
  CHECK_FALSE(Has(out, kVoice));
  rig.Masked(2, 0x11);
  CHECK(rig.Out().empty());
  CHECK(rig.registry.Value("flattone_relay_late_answers_total") == 1);
  CHECK(rig.Counts().counts[0].frames_comfort == 1);
}

TEST_CASE("Comfort begins as silence and becomes the flat tone after 100 ms") {
  MediaRig rig;
  rig.Secure(false);
  std::vector<Sent> all;
  for (uint16_t i = 1; i <= 12; ++i) {
    rig.FromCaller({.sequence = i});
    rig.Tick(20 * kMs);
    for (Sent& s : rig.Out()) all.push_back(std::move(s));
  }
  REQUIRE(all.size() == 12);
  CHECK_FALSE(Has(all, kVoice));
  CHECK(all[0].Rtp().payload()[40] == 0xff);
  CHECK(all[4].Rtp().payload()[40] == 0xff);
  std::set<uint8_t> tone(all[8].Rtp().payload().begin(), all[8].Rtp().payload().end());
  CHECK(tone.size() > 10);
}

TEST_CASE("At most 60 ms of sound wait for an answer") {
  MediaRig rig;
  rig.Secure();
  for (uint16_t i = 1; i <= 5; ++i) rig.FromCaller({.sequence = i});
  CHECK(rig.Taken().size() == 3);
  const auto out = rig.Out();
  REQUIRE(out.size() == 5);  // what waited leaves before its successor
  for (uint16_t i = 0; i < 5; ++i) CHECK(out[i].Rtp().sequence() == i + 1);
  CHECK_FALSE(Has(out, kVoice));
  rig.Masked(3, 0x11);  // answers all that was sent before
  rig.FromCaller({.sequence = 6});
  CHECK(rig.Taken().size() == 1);
}

TEST_CASE("An end packet sent three times beside the sound of its moment costs no comfort") {
  MediaRig rig;
  rig.Secure();
  for (uint16_t i = 1; i <= 3; ++i) rig.FromCaller({.sequence = i, .payload_type = 101, .payload = {5, 0x8A, 1, 64}, .timestamp = 160});
  rig.FromCaller({.sequence = 4});
  CHECK(rig.Taken().size() == 4);
  CHECK(rig.Out().empty());
  CHECK(rig.Counts().counts[0].frames_comfort == 0);
}

TEST_CASE("After 100 ms without an answer the path says that its masker is gone, and stays secure") {
  MediaRig rig;
  rig.Secure();
  for (uint16_t i = 1; i <= 7; ++i) {
    rig.FromCaller({.sequence = i});
    rig.Tick(20 * kMs);
  }
  const auto taken = rig.Taken();
  CHECK(std::count_if(taken.begin(), taken.end(), [](const ToHop& r) { return r.type == ToHop::Type::kStalled; }) == 1);
  REQUIRE(rig.notices.size() == 1);
  CHECK(rig.notices[0].kind == Notice::Kind::kMaskerLost);
  CHECK(rig.Counts().mode == SecureMode::kStarting);
  CHECK_FALSE(Has(rig.Out(), kVoice));
  rig.Tell(FromHop::Type::kOpened);
  rig.FromCaller({.sequence = 8});
  rig.Masked(8, 0x22);
  REQUIRE(rig.sent.size() == 1);
  CHECK(rig.Counts().mode == SecureMode::kSecure);
}

TEST_CASE("A leg that nobody opens is tried again") {
  MediaRig rig;
  rig.Secure(false);
  rig.Tick(2'100 * kMs);
  const auto taken = rig.Taken();
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].type == ToHop::Type::kStalled);
}

TEST_CASE("Lost stays lost, late is dropped, and repeats leave once") {
  MediaRig rig;
  rig.Secure();
  const auto one = [&](uint16_t n) {
    rig.FromCaller({.sequence = n});
    rig.Masked(n, 0x11);
  };
  one(1);
  one(4);          // 2 and 3 are missing
  one(3);          // late
  rig.FromCaller({.sequence = 4});  // again
  one(5);
  const auto out = rig.Out();
  REQUIRE(out.size() == 3);
  CHECK(out[1].Rtp().sequence() == 4);
  CHECK(out[2].Rtp().sequence() == 5);
  CHECK(rig.Counts().counts[0].dropped_late == 2);
}

TEST_CASE("Two packets that arrive in the wrong order leave once each and in order") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 2});
  rig.FromCaller({.sequence = 1});
  rig.Masked(2, 0x11);
  rig.Masked(1, 0x12);  // its successor has left
  const auto out = rig.Out();
  REQUIRE(out.size() == 1);
  CHECK(out[0].Rtp().sequence() == 2);
  CHECK(rig.Counts().counts[0].dropped_late == 1);
}

TEST_CASE("An event packet leaves as the masker's sound or not at all, and leaves no gap") {
  MediaRig rig;
  rig.Secure();
  std::vector<uint8_t> event(4);
  rtp::WriteTelephoneEvent({.event = 5, .end = false, .volume = 10, .duration = 160}, event);
  rig.FromCaller({.sequence = 1});
  rig.Masked(1, 0x11);
  rig.FromCaller({.sequence = 2, .payload_type = 101, .marker = true, .payload = event});
  rig.FromCaller({.sequence = 3, .payload_type = 101, .payload = event, .timestamp = 320});
  const auto taken = rig.Taken();
  REQUIRE(taken.size() == 3);
  CHECK(taken[1].kind == FrameKind::kEvent);
  CHECK(taken[1].marker);
  CHECK(std::equal(event.begin(), event.end(), taken[1].payload.begin()));
  rig.Masked(2, 0x11, 160, 320);
  rig.Masked(3, 0, 0, 320);
  rig.FromCaller({.sequence = 4});
  rig.Masked(4, 0x11);
  const auto out = rig.Out();
  REQUIRE(out.size() == 3);
  CHECK(out[1].Rtp().payload_type() == 0);
  CHECK_FALSE(out[1].Rtp().marker());
  CHECK(out[1].Rtp().payload().size() == 160);
  CHECK(out[2].Rtp().sequence() == 3);  // 4 moved up
  CHECK(rig.Counts().counts[0].events_received == 2);
}

TEST_CASE("Events that are not answered vanish without a gap") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 1});
  rig.Masked(1, 0x11);
  rig.FromCaller({.sequence = 2, .payload_type = 101, .payload = {5, 10, 0, 160}});
  rig.Tick(16 * kMs);
  rig.FromCaller({.sequence = 3});
  rig.Masked(3, 0x11);
  const auto out = rig.Out();
  REQUIRE(out.size() == 2);
  CHECK(out[1].Rtp().sequence() == 2);
}

TEST_CASE("Redundancy is unwrapped: events within it reach the masker, only the newest sound leaves") {
  MediaRig rig;
  rig.Secure();
  const std::vector<uint8_t> event = {7, 0x8a, 3, 32}, audio(160, kVoice);
  const rtp::RedundancyBlock older[] = {{.payload_type = 101, .timestamp_offset = 160, .payload = event},
                                        {.payload_type = 0, .timestamp_offset = 160, .payload = audio}};
  std::vector<uint8_t> wrapped(512);
  wrapped.resize(rtp::WriteRedundancy(older, {.payload_type = 0, .timestamp_offset = 0, .payload = audio}, wrapped));
  rig.FromCaller({.sequence = 2, .payload_type = 121, .payload = wrapped});
  const auto taken = rig.Taken();
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].redundant);
  CHECK(taken[0].kind == FrameKind::kEvent);
  CHECK(taken[0].timestamp == 160);
  CHECK_FALSE(taken[1].redundant);
  rig.Masked(2, 0x11);
  REQUIRE(rig.sent.size() == 1);
  CHECK(rig.sent[0].Rtp().payload_type() == 0);
  CHECK(rig.sent[0].Rtp().payload().size() == 160);
  CHECK_FALSE(Has(rig.sent, kVoice));
}

TEST_CASE("What is not on the list is dropped: unknown types, torn redundancy, broken events, nesting") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 1, .payload_type = 77});
  rig.FromCaller({.sequence = 2, .payload_type = 121, .payload = {0x80}});
  rig.FromCaller({.sequence = 3, .payload_type = 101, .payload = {1, 2, 3}});
  rig.FromCaller({.sequence = 4, .payload_type = 121, .payload = {121, 0, 1}});
  rig.Tick(50 * kMs);
  CHECK(rig.Out().empty());
  CHECK(rig.Taken().empty());
  CHECK(rig.Counts().counts[0].dropped_payload_type == 2);
  CHECK(rig.Counts().counts[0].dropped_malformed == 2);
}

TEST_CASE("Header extensions, CSRCs and padding never pass while secure") {
  MediaRig rig;
  rig.Secure();
  std::vector<uint8_t> bytes = {0xb1, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 9, 0, 0, 0, 8, 0xbe, 0xde, 0, 1, 0x10, 9, 9, 9};
  bytes.insert(bytes.end(), 160, kVoice);
  bytes.insert(bytes.end(), {0, 2});
  rig.Push(MediaRig::kCallerRtp, rig.caller, bytes);
  CHECK(rig.Taken()[0].size == 160);
  rig.Masked(1, 0x11);
  REQUIRE(rig.sent.size() == 1);
  CHECK(rig.sent[0].bytes.size() == 172);
  CHECK(rig.sent[0].bytes[0] == 0x80);
}

TEST_CASE("Another G.711 law is told to the masker; any other codec is comfort, told once") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 1, .payload_type = 8});
  auto taken = rig.Taken();
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].type == ToHop::Type::kChangeCodec);
  CHECK(taken[0].a_law);
  rig.Masked(1, 0x11);
  CHECK(rig.Out()[0].Rtp().payload_type() == 8);
  for (uint16_t i = 2; i <= 4; ++i) rig.FromCaller({.sequence = i, .payload_type = 9});
  CHECK(rig.Taken().empty());
  const auto out = rig.Out();
  REQUIRE(out.size() == 3);
  CHECK(out[0].Rtp().payload_type() == 8);
  CHECK_FALSE(Has(out, kVoice));
  CHECK(rig.notices.size() == 2);  // PCMU → PCMA, PCMA → other
  rig.FromCaller({.sequence = 5, .payload_type = 8});
  CHECK(rig.Taken().size() == 1);
  CHECK(rig.notices.size() == 3);
}

TEST_CASE("A new SSRC opens the leg anew; comfort until then, with the new numbers") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 40000});
  rig.Masked(40000, 0x11);
  rig.Out();
  rig.Taken();
  rig.FromCaller({.sequence = 10, .ssrc = 0xbeef});
  auto taken = rig.Taken();
  REQUIRE_FALSE(taken.empty());
  CHECK(taken[0].type == ToHop::Type::kReopen);
  rig.Tick(15 * kMs);
  auto out = rig.Out();
  REQUIRE(out.size() == 1);
  CHECK(out[0].Rtp().ssrc() == 0xbeef);
  CHECK(out[0].Rtp().sequence() == 10);
  CHECK_FALSE(Has(out, kVoice));
}

TEST_CASE("An answer of the wrong size or time is not sent") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 1});
  rig.Masked(1, 0x11, 80);
  rig.FromCaller({.sequence = 2});
  rig.Masked(2, 0x11, 160, 12345);
  const auto out = rig.Out();
  REQUIRE(out.size() == 2);
  CHECK(out[0].Rtp().payload().size() == 160);
  CHECK_FALSE(Has(out, 0x11));
}

TEST_CASE("Stop waits for three quiet seconds that the masker reports") {
  MediaRig rig;
  rig.Secure();
  rig.shard.AskStop(MediaRig::kSlot);
  CHECK(rig.Counts().mode == SecureMode::kStopping);
  for (uint16_t i = 1; i <= 100; ++i) {
    rig.FromCaller({.sequence = i});
    rig.Masked(i, 0x11);
    rig.Tick(20 * kMs);
  }
  CHECK_FALSE(Has(rig.Out(), kVoice));
  rig.Tell(FromHop::Type::kQuiet);
  REQUIRE(rig.notices.size() == 1);
  CHECK(rig.notices[0].kind == Notice::Kind::kPlain);
  rig.FromCaller({.sequence = 101});
  REQUIRE(rig.sent.size() == 1);
  CHECK(rig.sent[0].Rtp().sequence() == 101);
  CHECK(Has(rig.sent, kVoice));
}

TEST_CASE("A leg that was quiet before stop still hears 200 ms of sound, and a key in them keeps it") {
  MediaRig rig;
  rig.Secure();
  rig.Tell(FromHop::Type::kQuiet);
  rig.shard.AskStop(MediaRig::kSlot);
  const auto hear = [&](uint16_t from, uint16_t to) {
    for (uint16_t i = from; i <= to; ++i) {
      rig.FromCaller({.sequence = i});
      rig.Masked(i, 0x11);
    }
  };
  SECTION("no key") {
    hear(1, 9);
    CHECK(rig.notices.empty());
    hear(10, 10);
    CHECK(rig.notices.size() == 1);
  }
  SECTION("a key begins") {
    hear(1, 5);
    rig.Tell(FromHop::Type::kKeyStarted);
    hear(6, 60);
    CHECK(rig.notices.empty());
    CHECK(rig.Counts().keys == 1);
    rig.Tell(FromHop::Type::kQuiet);
    CHECK(rig.notices.size() == 1);
  }
}

TEST_CASE("Without a masker a stopping call stays masked") {
  MediaRig rig;
  rig.Secure();
  rig.Tell(FromHop::Type::kQuiet);
  rig.shard.AskStop(MediaRig::kSlot);
  rig.Tell(FromHop::Type::kLost);
  for (uint16_t i = 1; i <= 300; ++i) {
    rig.FromCaller({.sequence = i});
    rig.Tick(20 * kMs);
  }
  CHECK_FALSE(Has(rig.Out(), kVoice));
  CHECK(rig.Counts().mode == SecureMode::kStopping);
}

TEST_CASE("Turning back after a refused start drops nothing and sends what waited as comfort") {
  MediaRig rig;
  rig.Secure(false);
  rig.FromCaller({.sequence = 1});
  rig.shard.Unsecure(MediaRig::kSlot, MediaRig::kLeg + 1, rig.now, rig.out);
  CHECK(rig.Counts().mode == SecureMode::kStarting);
  rig.shard.Unsecure(MediaRig::kSlot, MediaRig::kLeg, rig.now, rig.out);
  rig.FromCaller({.sequence = 2});
  rig.Tick(20 * kMs);
  const auto out = rig.Out();
  REQUIRE(out.size() == 2);
  CHECK(out[0].Rtp().sequence() == 1);
  CHECK(out[1].Rtp().sequence() == 2);
}

TEST_CASE("Sender reports agree with what left, across two captures") {
  MediaRig rig;
  uint64_t packets = 0, octets = 0;
  uint16_t n = 1;
  uint32_t came = 0, came_octets = 0;
  const auto count = [&] {
    for (const Sent& s : rig.Out()) {
      ++packets;
      octets += s.bytes.size() - 12;
    }
  };
  const auto voice = [&](int frames, bool secure) {
    for (int i = 0; i < frames; ++i, ++n) {
      rig.FromCaller({.sequence = n});
      ++came;
      came_octets += 160;
      if (secure) rig.Masked(n, 0x11);
      count();
    }
  };
  for (int capture = 0; capture < 2; ++capture) {
    voice(10, false);
    rig.Secure();
    for (int key = 0; key < 4; ++key) {
      voice(3, true);
      for (int i = 0; i < 3; ++i, ++n) {
        rig.FromCaller({.sequence = n, .payload_type = 101, .payload = {1, 10, 1, 0}});
        ++came;
        came_octets += 4;
        rig.Masked(n, 0x11, i == 0 ? 160 : 0, n * 160u);
        count();
      }
    }
    rig.shard.AskStop(MediaRig::kSlot);
    rig.Tell(FromHop::Type::kQuiet);
  }
  voice(10, false);
  std::vector<uint8_t> report(28);
  rtp::WriteSenderReport({.ssrc = 0xcafe, .ntp = 1, .rtp_timestamp = 2, .packet_count = came, .octet_count = came_octets}, {}, report);
  rig.Push(MediaRig::kCallerRtcp, At("192.0.2.10", 4001), report);
  REQUIRE(rig.sent.size() == 1);
  const auto compound = rtp::RtcpCompound::Parse(rig.sent[0].bytes);
  const auto sent = rtp::SenderReport::Of(*compound->begin());
  CHECK(sent->packet_count() == packets);
  CHECK(sent->octet_count() == octets);
}

TEST_CASE("APP packets stop at the relay while secure") {
  MediaRig rig;
  rig.Secure();
  std::vector<uint8_t> bytes = {0x80, 201, 0, 1, 0, 0, 0xca, 0xfe, 0x80, 204, 0, 2, 0, 0, 0, 9, 'k', 'e', 'y', '7'};
  rig.Push(MediaRig::kCallerRtcp, At("192.0.2.10", 4001), bytes);
  REQUIRE(rig.sent.size() == 1);
  CHECK(rig.sent[0].bytes.size() == 8);
}

}  // namespace
}  // namespace flattone::relay
