// A flat tone whose caller falls silent is finished on a timer.
#include <algorithm>

#include "libs/testing/catch.h"
#include "services/media-relay/media/media_rig.h"

namespace flattone::relay {
namespace {

using testing::kMs;
using testing::MediaRig;

// Three packets of the caller's, masked; the third's answer owes `left` samples of flat tone.
void SpeakThenOwe(MediaRig& rig, uint32_t left) {
  rig.Secure();
  for (uint16_t n = 1; n <= 3; ++n) {
    rig.FromCaller({.sequence = n});
    rig.Masked(n, 0x11, 160, 0, true, n == 3 ? left : 0);
    if (n < 3) rig.Tick(20 * kMs);
  }
  rig.Out();
  rig.Taken();
}
std::vector<ToHop> Asked(MediaRig& rig) {
  std::vector<ToHop> frames;
  for (const ToHop& record : rig.Taken()) {
    if (record.type == ToHop::Type::kFrame) frames.push_back(record);
  }
  return frames;
}
// The caller is silent for 40 ms: one packet is asked for.
ToHop AskedAfterSilence(MediaRig& rig) {
  rig.Tick(20 * kMs);
  rig.Tick(20 * kMs);
  const auto asked = Asked(rig);
  REQUIRE(asked.size() == 1);
  return asked[0];
}
void AnswerTone(MediaRig& rig, const ToHop& asked, uint32_t left = 0) {
  rig.Masked(asked.sequence, 0x22, 160, asked.timestamp, true, left);
}

TEST_CASE("Silence in mid-tone: after 40 ms the path asks packet by packet until the tone is whole, and no further") {
  MediaRig rig;
  SpeakThenOwe(rig, 480);
  rig.Tick(20 * kMs);
  CHECK(Asked(rig).empty());  // may be jitter
  uint32_t left = 480;
  for (uint32_t i = 0; i < 3; ++i) {
    rig.Tick(20 * kMs);
    const auto asked = Asked(rig);
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].kind == FrameKind::kComfortNoise);
    CHECK(asked[0].size == 0);
    CHECK(asked[0].sequence > 0xffff);
    CHECK(asked[0].timestamp == 640 + i * 160);
    left -= 160;
    AnswerTone(rig, asked[0], left);
  }
  const auto out = rig.Out();
  REQUIRE(out.size() == 3);
  for (uint16_t i = 0; i < 3; ++i) {
    CHECK(out[i].Rtp().sequence() == 4 + i);
    CHECK(out[i].Rtp().timestamp() == 640u + i * 160u);
    CHECK(out[i].Rtp().ssrc() == 0xcafe);
    CHECK_FALSE(out[i].Rtp().marker());
    CHECK(out[i].Rtp().payload()[7] == 0x22);
  }
  for (int i = 0; i < 10; ++i) rig.Tick(20 * kMs);
  CHECK(Asked(rig).empty());
  CHECK(rig.Out().empty());
  CHECK(rig.registry.Value("flattone_relay_tone_packets_total") == 3);
}

TEST_CASE("The caller who comes back goes on behind the tone's packets, without a gap; RTCP tells the same") {
  MediaRig rig;
  SpeakThenOwe(rig, 160);
  const ToHop asked = AskedAfterSilence(rig);
  AnswerTone(rig, asked);
  CHECK(rig.Out().at(0).Rtp().sequence() == 4);
  rig.now += 300 * kMs;
  rig.FromCaller({.sequence = 4, .marker = true, .timestamp = 4000});
  rig.Masked(4, 0x11, 160, 4000);
  const auto out = rig.Out();
  REQUIRE(out.size() == 1);
  CHECK(out[0].Rtp().sequence() == 5);
  CHECK(out[0].Rtp().timestamp() == 4000);
  CHECK(out[0].Rtp().marker());
  const MediaRig::Reported told = rig.ReportFromCaller({.packets = 4, .octets = 640});
  CHECK(told.packets == 5);
  CHECK(told.octets == 800);
}

TEST_CASE("Packets that were only late are dropped and heard; what is newer goes on without a gap") {
  MediaRig rig;
  SpeakThenOwe(rig, 160);
  const ToHop asked = AskedAfterSilence(rig);
  AnswerTone(rig, asked);
  rig.Out();
  rig.FromCaller({.sequence = 4});  // the tone has left in its time
  const auto heard = Asked(rig);
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].redundant);
  CHECK(rig.Counts().counts[0].dropped_late == 1);
  rig.FromCaller({.sequence = 5});
  rig.Masked(5, 0x11);
  const auto out = rig.Out();
  REQUIRE(out.size() == 1);
  CHECK(out[0].Rtp().sequence() == 5);
  CHECK(out[0].Rtp().timestamp() == 800);
}

TEST_CASE("A caller who comes back while the tone's packet is asked for takes its place") {
  MediaRig rig;
  SpeakThenOwe(rig, 160);
  const ToHop asked = AskedAfterSilence(rig);
  rig.FromCaller({.sequence = 4, .timestamp = 4000});
  rig.Masked(4, 0x11, 160, 4000);
  AnswerTone(rig, asked);
  const auto out = rig.Out();
  REQUIRE(out.size() == 1);
  CHECK(out[0].Rtp().sequence() == 4);
  CHECK(out[0].Rtp().payload()[0] == 0x11);
}

TEST_CASE("A masker that does not answer ends the tone: no packet, no number taken") {
  MediaRig rig;
  SpeakThenOwe(rig, 480);
  for (int i = 0; i < 4; ++i) rig.Tick(20 * kMs);
  CHECK(Asked(rig).size() == 1);
  CHECK(rig.Out().empty());
  rig.FromCaller({.sequence = 4, .timestamp = 4000});
  rig.Masked(4, 0x11, 160, 4000);
  const auto out = rig.Out();
  REQUIRE(out.size() == 1);
  CHECK(out[0].Rtp().sequence() == 4);
}

TEST_CASE("After the tone's packets a caller whose clock was set back is heard: what lies far behind is not late") {
  MediaRig rig;
  SpeakThenOwe(rig, 160);
  AnswerTone(rig, AskedAfterSilence(rig));
  rig.FromCaller({.sequence = 4, .timestamp = 0xffff'0000u});
  const auto heard = Asked(rig);
  REQUIRE(heard.size() == 1);
  CHECK_FALSE(heard[0].redundant);
}

TEST_CASE("The tone goes on behind a frame whose answer came too late to leave") {
  MediaRig rig;
  rig.Secure();
  rig.SpeakUnaltered(1, 2);
  rig.FromCaller({.sequence = 3});
  rig.Tick(16 * kMs);  // comfort has left
  rig.Masked(3, 0x11, 160, 0, true, 160);
  rig.Taken();
  CHECK(AskedAfterSilence(rig).timestamp == 640);
}

TEST_CASE("Where the place of a tone is not known, none is asked for: the next masker's begins with its first sound") {
  MediaRig rig;
  SpeakThenOwe(rig, 480);
  rig.Tell(FromHop::Type::kLost);
  rig.Tell(FromHop::Type::kOpened);
  rig.FromCaller({.sequence = 4, .payload_type = 101, .payload = {5, 10, 0, 160}, .timestamp = 40'000});
  rig.Masked(4, 0, 0, 40'000, false, 480);
  rig.Taken();
  for (int i = 0; i < 5; ++i) rig.Tick(20 * kMs);
  CHECK(Asked(rig).empty());
}

TEST_CASE("No tone owed, no masker, or packets that keep coming: nothing is made") {
  MediaRig rig;
  SECTION("nothing owed") {
    SpeakThenOwe(rig, 0);
    for (int i = 0; i < 10; ++i) rig.Tick(20 * kMs);
  }
  SECTION("masker lost") {
    SpeakThenOwe(rig, 480);
    rig.Tell(FromHop::Type::kLost);
    for (int i = 0; i < 10; ++i) rig.Tick(20 * kMs);
  }
  SECTION("packets") {
    SpeakThenOwe(rig, 480);
    for (uint16_t n = 4; n < 10; ++n) {
      rig.Tick(20 * kMs);
      rig.FromCaller({.sequence = n});
      rig.Masked(n, 0x11, 160, 0, true, 480);
    }
  }
  const auto asked = Asked(rig);
  CHECK(std::none_of(asked.begin(), asked.end(), [](const ToHop& r) { return r.sequence > 0xffff; }));
  CHECK(rig.registry.Value("flattone_relay_tone_packets_total") == 0);
}

TEST_CASE("With packets of 10 ms two are asked for in each round") {
  MediaRig rig;
  rig.Secure();
  rig.FromCaller({.sequence = 1, .payload = std::vector<uint8_t>(80, 0x55), .timestamp = 80});
  rig.Masked(1, 0x11, 80, 80, true, 320);
  rig.Taken();
  rig.Tick(40 * kMs);
  auto asked = Asked(rig);
  REQUIRE(asked.size() == 1);
  rig.Masked(asked[0].sequence, 0x22, 80, asked[0].timestamp, true, 240);
  rig.Tick(20 * kMs);
  asked = Asked(rig);
  REQUIRE(asked.size() == 2);
  CHECK(asked[0].timestamp == 240);
  CHECK(asked[1].timestamp == 320);
}

}  // namespace
}  // namespace flattone::relay
