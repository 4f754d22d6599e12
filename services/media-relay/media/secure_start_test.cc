// What the masker is told of the time before the start.
#include <algorithm>

#include "libs/rtp/redundancy.h"
#include "libs/testing/catch.h"
#include "services/media-relay/media/media_rig.h"

namespace flattone::relay {
namespace {

using testing::MediaRig;

// What is told ahead of the caller's next packet.
std::vector<ToHop> Before(MediaRig& rig, uint32_t ssrc = 0xcafe) {
  rig.FromCaller({.sequence = 1000, .ssrc = ssrc});
  std::vector<ToHop> found;
  for (const ToHop& record : rig.Taken()) {
    if (record.type == ToHop::Type::kFrame && record.before_start) found.push_back(record);
  }
  return found;
}

TEST_CASE("The newest sound from before the start is told ahead of the first frame, once") {
  MediaRig rig;
  rig.FromCaller({.sequence = 1, .payload = std::vector<uint8_t>(160, 0x31)});
  rig.FromCaller({.sequence = 2, .payload = std::vector<uint8_t>(160, 0x32)});
  rig.Secure();
  rig.FromCaller({.sequence = 3});
  const auto taken = rig.Taken();
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].before_start);
  CHECK(taken[0].kind == FrameKind::kAudio);
  CHECK(taken[0].timestamp == 320);
  CHECK(taken[0].size == 160);
  CHECK(taken[0].payload[159] == 0x32);
  CHECK_FALSE(taken[1].before_start);
  CHECK(taken[1].timestamp == 480);
}

TEST_CASE("Short packets are joined to 20 ms, long ones give their end, a gap begins anew") {
  MediaRig rig;
  SECTION("10 ms") {
    rig.FromCaller({.sequence = 1, .payload = std::vector<uint8_t>(80, 0x31), .timestamp = 80});
    rig.FromCaller({.sequence = 2, .payload = std::vector<uint8_t>(80, 0x32), .timestamp = 160});
    rig.FromCaller({.sequence = 3, .payload = std::vector<uint8_t>(80, 0x33), .timestamp = 240});
    rig.Secure();
    const auto before = Before(rig);
    REQUIRE(before.size() == 1);
    CHECK(before[0].timestamp == 160);
    CHECK(before[0].payload[0] == 0x32);
    CHECK(before[0].payload[159] == 0x33);
  }
  SECTION("30 ms") {
    rig.FromCaller({.sequence = 1, .payload = std::vector<uint8_t>(240, 0x31), .timestamp = 240});
    rig.Secure();
    const auto before = Before(rig);
    REQUIRE(before.size() == 1);
    CHECK(before[0].timestamp == 320);
    CHECK(before[0].size == 160);
  }
  SECTION("a lost packet") {
    rig.FromCaller({.sequence = 1, .payload = std::vector<uint8_t>(80, 0x31), .timestamp = 80});
    rig.FromCaller({.sequence = 3, .payload = std::vector<uint8_t>(80, 0x33), .timestamp = 240});
    rig.Secure();
    const auto before = Before(rig);
    REQUIRE(before.size() == 1);
    CHECK(before[0].timestamp == 240);
    CHECK(before[0].size == 80);
  }
}

TEST_CASE("An event under way is told with the sound; the agent's sound, another law and another source are not") {
  MediaRig rig;
  rig.FromAgent({.sequence = 9, .payload = std::vector<uint8_t>(160, 0x44)});
  rig.FromCaller({.sequence = 1, .payload_type = 8});
  rig.FromCaller({.sequence = 2, .payload_type = 101, .payload = {5, 10, 1, 64}, .timestamp = 320});
  SECTION("the other law") {
    rig.Secure();
    const auto before = Before(rig);
    REQUIRE(before.size() == 1);
    CHECK(before[0].kind == FrameKind::kEvent);
    CHECK(before[0].timestamp == 320);
    CHECK(before[0].payload[3] == 64);
  }
  SECTION("event and sound") {
    rig.FromCaller({.sequence = 3});
    rig.Secure();
    CHECK(Before(rig).size() == 2);
  }
  SECTION("a new source") {
    rig.now += 200 * testing::kMs;
    rig.FromCaller({.sequence = 70, .ssrc = 0xbeef});
    rig.Secure();
    const auto before = Before(rig, 0xbeef);
    REQUIRE(before.size() == 1);
    CHECK(before[0].timestamp == 70 * 160);
  }
}

TEST_CASE("An event is told for a second behind its end; a key of a menu, long ago, is neither told nor kept") {
  MediaRig rig;
  rig.FromCaller({.sequence = 1, .payload_type = 101, .payload = {5, 0x8a, 1, 64}, .timestamp = 160});
  const uint16_t packets = GENERATE(uint16_t{50}, uint16_t{60});
  for (uint16_t n = 4; n < 4 + packets; ++n) rig.FromCaller({.sequence = n});
  rig.Secure();
  const auto before = Before(rig);
  REQUIRE(before.size() == (packets == 50 ? 2 : 1));
  CHECK(before.back().kind == FrameKind::kAudio);
}

TEST_CASE("The masker that takes a leg over is told what sounded before it came") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 1, .payload = std::vector<uint8_t>(160, 0x31)});
  rig.Taken();
  SECTION("its stream broke") {
    rig.Tell(FromHop::Type::kLost);
    const auto before = Before(rig);
    REQUIRE(before.size() == 1);
    CHECK(before[0].payload[0] == 0x31);
  }
  SECTION("it does not answer") {
    rig.Tick(110 * testing::kMs);
    rig.FromCaller({.sequence = 2});
    const auto taken = rig.Taken();
    REQUIRE(taken.size() == 3);
    CHECK(taken[0].type == ToHop::Type::kStalled);  // the move first, then what the next one has to know
    CHECK(taken[1].before_start);
    CHECK(taken[1].payload[0] == 0x31);
  }
}

TEST_CASE("A masker that opens late is told what sounded before each frame that may be its first") {
  MediaRig rig;
  rig.Secure(false);
  rig.FromCaller({.sequence = 1, .payload = std::vector<uint8_t>(160, 0x31)});
  rig.FromCaller({.sequence = 2});
  auto taken = rig.Taken();
  REQUIRE(taken.size() == 3);
  CHECK_FALSE(taken[0].before_start);
  CHECK(taken[1].before_start);
  CHECK(taken[1].payload[0] == 0x31);
  CHECK(taken[2].sequence == 2);
  rig.Tell(FromHop::Type::kOpened);
  rig.FromCaller({.sequence = 3});
  CHECK(rig.Taken().size() == 2);  // it may have heard of the others or not
  rig.Masked(3, 0x11);
  rig.FromCaller({.sequence = 4});
  CHECK(rig.Taken().size() == 1);
}

TEST_CASE("In redundant data the newest block is what is kept") {
  MediaRig rig;
  const std::vector<uint8_t> event = {5, 10, 1, 64}, audio(160, 0x31);
  std::vector<uint8_t> wrapped(512);
  const bool keyed = GENERATE(false, true);
  const rtp::RedundancyBlock older[] = {{.payload_type = 0, .timestamp_offset = 160, .payload = audio}};
  const rtp::RedundancyBlock newest = keyed ? rtp::RedundancyBlock{.payload_type = 101, .timestamp_offset = 0, .payload = event}
                                            : rtp::RedundancyBlock{.payload_type = 0, .timestamp_offset = 0, .payload = audio};
  wrapped.resize(rtp::WriteRedundancy(older, newest, wrapped));
  rig.FromCaller({.sequence = 2, .payload_type = 121, .payload = wrapped});
  rig.FromCaller({.sequence = 3, .payload_type = 121, .payload = {0x80}});  // torn: passes in plain, says nothing
  rig.Secure();
  const auto before = Before(rig);
  REQUIRE(before.size() == 1);
  CHECK(before[0].kind == (keyed ? FrameKind::kEvent : FrameKind::kAudio));
  CHECK(before[0].timestamp == 320);
  CHECK(before[0].size == (keyed ? 4 : 160));
  CHECK(before[0].payload[0] == (keyed ? 5 : 0x31));
}

TEST_CASE("The next capture's leg is told what sounded under the last one") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 1, .payload = std::vector<uint8_t>(160, 0x31)});
  CHECK(std::count(rig.pushed.begin(), rig.pushed.end(), 0) == static_cast<long>(rig.pushed.size()));
  rig.Taken();
  rig.Secure();
  const auto before = Before(rig);
  REQUIRE(before.size() == 1);
  CHECK(before[0].payload[0] == 0x31);
}

TEST_CASE("Frames that wait when the masker has opened the leg go on waiting and leave masked") {
  MediaRig rig;
  rig.Secure(false);
  rig.FromCaller({.sequence = 1});
  rig.Tell(FromHop::Type::kOpened);
  CHECK(rig.Out().empty());
  rig.Masked(1, 0x11);
  const auto out = rig.Out();
  REQUIRE(out.size() == 1);
  CHECK(out[0].Rtp().payload()[0] == 0x11);
  CHECK(rig.Counts().counts[0].frames_comfort == 0);
}

}  // namespace
}  // namespace flattone::relay
