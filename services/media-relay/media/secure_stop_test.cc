// Turning plain again, and what RTCP tells meanwhile.
#include "libs/testing/catch.h"
#include "services/media-relay/media/media_rig.h"

namespace flattone::relay {
namespace {

using testing::At;
using testing::Has;
using testing::kMs;
using testing::kVoice;
using testing::MediaRig;
using testing::Sent;

TEST_CASE("Stop waits for three quiet seconds that the masker reports") {
  MediaRig rig;
  rig.Secure();
  rig.shard.AskStop(MediaRig::kSlot);
  CHECK(rig.Counts().mode == SecureMode::kStopping);
  for (uint16_t i = 1; i <= 100; ++i) {
    rig.SpeakUnaltered(i, i);
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
  SECTION("no key") {
    rig.SpeakUnaltered(1, 9);
    CHECK(rig.notices.empty());
    rig.SpeakUnaltered(10, 10);
    CHECK(rig.notices.size() == 1);
  }
  SECTION("a frame was altered: a key may have begun, which is told later") {
    rig.SpeakUnaltered(1, 9);
    rig.FromCaller({.sequence = 10});
    rig.Masked(10, 0x11);
    rig.SpeakUnaltered(11, 19);
    CHECK(rig.notices.empty());
    rig.SpeakUnaltered(20, 20);
    REQUIRE(rig.notices.size() == 1);
    CHECK(rig.notices[0].kind == Notice::Kind::kPlain);
  }
  SECTION("one was, and its answer came too late to leave") {
    rig.SpeakUnaltered(1, 9);
    rig.FromCaller({.sequence = 10});
    rig.Tick(16 * kMs);
    rig.Masked(10, 0x11);
    rig.SpeakUnaltered(11, 19);
    CHECK(rig.notices.empty());
    rig.SpeakUnaltered(20, 20);
    CHECK(rig.notices.size() == 1);
  }
  SECTION("a key begins") {
    rig.SpeakUnaltered(1, 5);
    rig.Tell(FromHop::Type::kKeyStarted);
    rig.SpeakUnaltered(6, 60);
    CHECK(rig.notices.empty());
    CHECK(rig.Counts().keys == 1);
    rig.Tell(FromHop::Type::kQuiet);
    CHECK(rig.notices.size() == 1);
  }
}

TEST_CASE("What was sent before the masker's quiet was told comes back first, and has to be unaltered") {
  MediaRig rig;
  rig.Secure();
  rig.shard.AskStop(MediaRig::kSlot);
  rig.SpeakUnaltered(1, 3);
  rig.FromCaller({.sequence = 4});
  rig.Tell(FromHop::Type::kQuiet);
  CHECK(rig.notices.empty());
  SECTION("it is") {
    rig.FromCaller({.sequence = 5});  // no more is waited for than was sent then
    rig.Masked(4, 0x11, 160, 0, false);
    CHECK(rig.notices.size() == 1);
  }
  SECTION("a key has begun in it") {
    rig.Masked(4, 0x11);
    CHECK(rig.notices.empty());
    rig.SpeakUnaltered(5, 5);  // there was none after all
    CHECK(rig.notices.size() == 1);
  }
  CHECK_FALSE(Has(rig.Out(), kVoice));
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
      if (secure) rig.Masked(n, 0x11, 160, 0, false);
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
    voice(1, true);
    rig.shard.AskStop(MediaRig::kSlot);
    rig.Tell(FromHop::Type::kQuiet);
  }
  voice(10, false);
  const MediaRig::Reported told = rig.ReportFromCaller({.packets = came, .octets = came_octets});
  CHECK(told.packets == packets);
  CHECK(told.octets == octets);
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
