// The secure path's time limits and order: what leaves, when, in which place.
#include <algorithm>
#include <set>

#include "libs/testing/catch.h"
#include "services/media-relay/media/media_rig.h"

namespace flattone::relay {
namespace {

using testing::Has;
using testing::kMs;
using testing::kVoice;
using testing::MediaRig;
using testing::Sent;

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
  const auto stalled = std::find_if(taken.begin(), taken.end(), [](const ToHop& r) { return r.type == ToHop::Type::kStalled; });
  REQUIRE(stalled != taken.end());
  CHECK(stalled->sequence == MediaRig::kOpening);  // not of an opening behind it
  CHECK(std::count_if(taken.begin(), taken.end(), [](const ToHop& r) { return r.type == ToHop::Type::kStalled; }) == 1);
  CHECK(rig.notices.empty());  // the hop tells that its leg moves
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

TEST_CASE("A packet whose successor is with the masker does not leave; its sound is evidence, and nobody waits for it") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 2});
  rig.FromCaller({.sequence = 1});
  const auto taken = rig.Taken();
  REQUIRE(taken.size() == 2);
  CHECK_FALSE(taken[0].redundant);
  CHECK(taken[1].redundant);
  CHECK(taken[1].timestamp == 160);
  rig.Masked(2, 0x11);
  const auto out = rig.Out();
  REQUIRE(out.size() == 1);
  CHECK(out[0].Rtp().sequence() == 2);
  CHECK(rig.Counts().counts[0].dropped_late == 1);
  // The caller says no more: a masker that has answered all that it will is not stalled.
  for (int i = 0; i < 10; ++i) rig.Tick(20 * kMs);
  CHECK(rig.Taken().empty());
  CHECK(rig.notices.empty());
  CHECK(rig.Out().empty());
}

TEST_CASE("A packet whose successor has left is evidence too, in the law that the masker expects") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 7});
  rig.Masked(7, 0x11);
  rig.Taken();
  rig.FromCaller({.sequence = 5});
  rig.FromCaller({.sequence = 6, .payload_type = 8});
  const auto taken = rig.Taken();
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].redundant);
  CHECK(taken[0].timestamp == 800);
  CHECK(rig.Out().size() == 1);
  CHECK(rig.Counts().counts[0].dropped_late == 2);
}

TEST_CASE("A sender that begins its numbers anew is followed from the second packet on") {
  MediaRig rig;
  const auto numbers = [&] {
    std::vector<uint32_t> in_order;
    for (const ToHop& record : rig.Taken()) {
      if (record.type == ToHop::Type::kFrame && !record.redundant && !record.before_start) in_order.push_back(record.sequence);
    }
    return in_order;
  };
  const auto speak = [&](uint16_t from, uint16_t to) {
    for (uint16_t n = from; n <= to; ++n) rig.FromCaller({.sequence = n});
  };
  SECTION("before the start") {
    speak(20000, 20010);
    speak(100, 105);
    CHECK(rig.Out().size() == 17);
    rig.Secure();
    speak(106, 107);
    CHECK(numbers() == std::vector<uint32_t>{106, 107});
  }
  SECTION("in a capture, while a packet waits") {
    rig.Secure();
    rig.SpeakUnaltered(19999, 19999);
    speak(20000, 20000);
    speak(100, 102);
    CHECK(numbers() == std::vector<uint32_t>{19999, 20000, 101, 102});
    rig.Masked(102, 0x11);
    rig.Out();
    speak(103, 103);
    rig.Masked(103, 0x11);
    REQUIRE(rig.sent.size() == 1);
    CHECK(rig.sent[0].Rtp().sequence() == 103);
  }
  SECTION("one that is very late changes nothing") {
    speak(1000, 1010);
    speak(810, 810);
    rig.Secure();
    speak(1011, 1011);
    speak(812, 812);
    CHECK(numbers() == std::vector<uint32_t>{1011});
  }
}

TEST_CASE("An event that nobody answers leaves nothing, and is no comfort") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 1, .payload_type = 101, .payload = {5, 10, 0, 160}});
  rig.Tick(16 * kMs);
  const auto comfort = [&] {
    return rig.registry.Value("flattone_relay_comfort_frames_total", {{"reason", "deadline"}});
  };
  CHECK(comfort() == 0);
  rig.FromCaller({.sequence = 2});
  rig.Tick(16 * kMs);
  CHECK(comfort() == 1);
  CHECK(rig.Counts().counts[0].frames_comfort == 1);
  CHECK(rig.Out().size() == 1);
}

TEST_CASE("With a full ring comfort leaves; what the hop must know is said before the next frame") {
  MediaRig rig;
  rig.Secure();
  SECTION("another law") {
    rig.FillRing();
    rig.FromCaller({.sequence = 1, .payload_type = 8});
    rig.Taken();
    rig.FromCaller({.sequence = 2, .payload_type = 8});
    const auto taken = rig.Taken();
    REQUIRE(taken.size() == 2);
    CHECK(taken[0].type == ToHop::Type::kChangeCodec);
    CHECK(taken[0].a_law);
    CHECK(taken[1].type == ToHop::Type::kFrame);
  }
  SECTION("another source") {
    rig.FromCaller({.sequence = 1});
    rig.FillRing();
    rig.now += 200 * kMs;
    rig.FromCaller({.sequence = 70, .ssrc = 0xbeef});
    rig.Taken();
    rig.FromCaller({.sequence = 71, .ssrc = 0xbeef});
    const auto taken = rig.Taken();
    REQUIRE(taken.size() == 3);
    CHECK(taken[0].type == ToHop::Type::kReopen);
    CHECK(taken[1].before_start);
    CHECK_FALSE(taken[2].before_start);
  }
  SECTION("a stall") {
    rig.FromCaller({.sequence = 1});
    rig.FillRing();
    rig.Tick(110 * kMs);
    rig.Taken();
    rig.Tick(20 * kMs);
    const auto taken = rig.Taken();
    REQUIRE(taken.size() == 1);
    CHECK(taken[0].type == ToHop::Type::kStalled);
  }
  CHECK_FALSE(Has(rig.Out(), kVoice));
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

}  // namespace
}  // namespace flattone::relay
