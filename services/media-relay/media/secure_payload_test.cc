// What a packet may carry while secure, and what becomes of each kind.
#include <algorithm>

#include "libs/rtp/redundancy.h"
#include "libs/rtp/rtcp.h"
#include "libs/rtp/telephone_event.h"
#include "libs/testing/catch.h"
#include "services/media-relay/media/media_rig.h"

namespace flattone::relay {
namespace {

using testing::Has;
using testing::kMs;
using testing::kVoice;
using testing::MediaRig;

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
  rig.Tick(1'000 * kMs);
  CHECK(rig.notices.size() == 2);  // PCMU → PCMA, PCMA → other
  rig.FromCaller({.sequence = 5, .payload_type = 8});
  CHECK(rig.Taken().size() == 1);
  rig.Masked(5, 0x11);
  rig.Tick(1'000 * kMs);
  CHECK(rig.notices.size() == 3);
}

TEST_CASE("Another packet time is taken as it comes: each frame, and the comfort in its place, is as long as the caller's") {
  MediaRig rig;
  rig.Secure();
  uint32_t timestamp = 160;
  uint16_t sequence = 0;
  const auto say = [&](size_t samples) {
    rig.FromCaller({.sequence = ++sequence, .payload = std::vector<uint8_t>(samples, kVoice), .timestamp = timestamp});
    timestamp += static_cast<uint32_t>(samples);
  };
  say(160);
  say(240);  // a re-offer between the two
  const auto taken = rig.Taken();
  REQUIRE(taken.size() == 2);
  CHECK(taken[1].size == 240);
  SECTION("answered") {
    rig.Masked(1, 0x11, 160, 160);
    rig.Masked(2, 0x11, 240, 320);
    say(80);
    rig.Masked(3, 0x11, 80, 560);
    CHECK(rig.Counts().counts[0].frames_comfort == 0);
  }
  SECTION("not answered") {
    rig.Tick(15 * kMs);
    say(80);
    rig.Tick(15 * kMs);
    CHECK(rig.Counts().counts[0].frames_comfort == 3);
  }
  const auto out = rig.Out();
  REQUIRE(out.size() == 3);
  const size_t length[] = {160, 240, 80};
  const uint32_t stamp[] = {160, 320, 560};
  for (size_t i = 0; i < 3; ++i) {
    CHECK(out[i].Rtp().payload().size() == length[i]);
    CHECK(out[i].Rtp().timestamp() == stamp[i]);
    CHECK(out[i].Rtp().sequence() == i + 1);
  }
  CHECK_FALSE(Has(out, kVoice));
}

TEST_CASE("Codecs that take turns are told once a second, and at last what they came to") {
  MediaRig rig;
  rig.Secure();
  for (uint16_t n = 1; n <= 98; ++n) {
    rig.FromCaller({.sequence = n, .payload_type = static_cast<uint8_t>(n % 2 == 0 ? 0 : 9)});
    rig.Masked(n, 0x11);
    rig.Tick(10 * kMs);
    rig.Taken();
  }
  CHECK(rig.notices.size() == 1);
  rig.Tick(40 * kMs);
  CHECK(rig.notices.size() == 2);
  rig.Tick(2'000 * kMs);
  CHECK(rig.notices.size() == 2);
}

TEST_CASE("The codec in use is noted while secure too: the next capture asks for it") {
  MediaRig rig;
  rig.FromCaller({.sequence = 1});
  rig.Secure();
  rig.FromCaller({.sequence = 2, .payload_type = 9});
  CHECK(rig.Counts().caller_audio == PayloadKind::kOtherAudio);
  CHECK(rig.Counts().caller_payload_type == 9);
}

TEST_CASE("A type that nobody negotiated brings no new source: RTCP astray on the RTP port is dropped") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 1});
  rig.Masked(1, 0x11);
  rig.Taken();
  rig.Out();
  std::vector<uint8_t> report(28);
  rtp::WriteSenderReport({.ssrc = 0xcafe, .ntp = 0x0123456789abcdef, .rtp_timestamp = 2}, {}, report);
  rig.Push(MediaRig::kCallerRtp, rig.caller, report);
  CHECK(rig.Taken().empty());  // the leg is not opened anew
  CHECK(rig.Out().empty());
  CHECK(rig.Counts().counts[0].dropped_payload_type == 1);
  rig.FromCaller({.sequence = 2});
  rig.Masked(2, 0x11);
  REQUIRE(rig.sent.size() == 1);
  CHECK(rig.sent[0].Rtp().sequence() == 2);
}

TEST_CASE("A new SSRC opens the leg anew; comfort until then, with the new numbers") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 40000});
  rig.Masked(40000, 0x11);
  rig.Out();
  rig.Taken();
  rig.now += 200 * kMs;  // without a packet
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

TEST_CASE("A second SSRC beside the first is dropped in a capture, and takes its place once that has been silent for 200 ms") {
  MediaRig rig;
  rig.Secure();
  int reopened = 0;
  const auto speak = [&](uint16_t n, uint32_t ssrc) {
    rig.FromCaller({.sequence = n, .ssrc = ssrc});
    rig.Masked(n, 0x11);
    rig.Tick(10 * kMs);
    for (const ToHop& record : rig.Taken()) reopened += record.type == ToHop::Type::kReopen;
  };
  for (uint16_t n = 1; n <= 20; ++n) {
    speak(n, 0xcafe);
    speak(static_cast<uint16_t>(500 + n), 0xbeef);
  }
  CHECK(reopened == 0);
  CHECK(rig.Counts().counts[0].dropped_source == 20);
  CHECK(rig.Counts().mode == SecureMode::kSecure);
  for (uint16_t n = 521; n <= 550; ++n) speak(n, 0xbeef);
  CHECK(reopened == 1);
  CHECK(rig.Counts().counts[0].dropped_source == 38);  // up to 200 ms behind the first one's last packet
  CHECK_FALSE(Has(rig.Out(), kVoice));
}

TEST_CASE("In plain a second SSRC passes as it is, and the first keeps its numbers") {
  MediaRig rig;
  rig.FromCaller({.sequence = 1});
  rig.Secure();  // an event in a capture: from here on the numbers are shifted
  rig.FromCaller({.sequence = 2, .payload_type = 101, .payload = {5, 0x8a, 1, 64}});
  rig.Masked(2, 0, 0);
  rig.shard.Unsecure(MediaRig::kSlot, MediaRig::kLeg, rig.now, rig.out);
  rig.Out();
  for (uint16_t n = 3; n <= 5; ++n) {
    rig.FromCaller({.sequence = n});
    rig.FromCaller({.sequence = static_cast<uint16_t>(500 + n), .ssrc = 0xbeef});
    const auto out = rig.Out();
    REQUIRE(out.size() == 2);
    CHECK(out[0].Rtp().sequence() == n - 1);
    CHECK(out[1].Rtp().sequence() == 500 + n);
    CHECK(out[1].Rtp().ssrc() == 0xbeef);
  }
}

}  // namespace
}  // namespace flattone::relay
