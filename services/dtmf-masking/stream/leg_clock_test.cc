// A sender whose clock leaps in the middle of a key: packet numbers tell that nothing was missed.
#include <string>
#include <vector>

#include "libs/dsp/dtmf.h"
#include "libs/testing/catch.h"
#include "services/dtmf-masking/stream/leg_rig.h"

namespace flattone::masking {
namespace {

constexpr size_t kLeapAt = 80;  // the packet at which the clock leaps, of a key from packet 75 to 85

// Numbered packets of a room in which one key is held for 200 ms, its first half before the leap.
std::vector<RigFrame> KeyAcrossALeap(const LegRig& rig, int32_t leap) {
  std::vector<int16_t> in(24'000);
  dsp::AddNoise(in, -60, 77);
  dsp::AddKey(in, 12'000, 1600, {.symbol = '5'});
  std::vector<RigFrame> frames = LegRig::Number(rig.Cut(in));
  for (size_t i = kLeapAt; i < frames.size(); ++i) frames[i].timestamp += static_cast<uint32_t>(leap);
  return frames;
}

TEST_CASE("a clock that leaps within a key leaves it one key; a marker says that there was a pause") {
  for (const int32_t leap : {2'000, 40'000, -8'000, -5'000'000}) {
    CAPTURE(leap);
    LegRig one;
    one.Play(KeyAcrossALeap(one, leap));
    CHECK(one.keys() == "5");
    CHECK(one.Tones() == 1);
    CHECK(HeardBySpandsp(one.out()).empty());
    LegRig two;
    std::vector<RigFrame> frames = KeyAcrossALeap(two, leap);
    frames[kLeapAt].marker = true;
    two.Play(frames);
    CHECK(two.keys() == "55");
  }
}

TEST_CASE("a packet lost at the leap: nobody knows what was missed, and the rest of the key is a key") {
  LegRig rig;
  std::vector<RigFrame> frames = KeyAcrossALeap(rig, 40'000);
  frames.erase(frames.begin() + kLeapAt);
  rig.Play(frames);
  CHECK(rig.keys() == "55");
}

TEST_CASE("a clock that is set back by less than two seconds costs no answers") {
  LegRig rig;
  const std::vector<RigFrame> frames = KeyAcrossALeap(rig, -8'000);
  rig.Play(frames);
  CHECK(rig.left().size() == frames.size());
}

TEST_CASE("a leap is no quiet: three seconds of sound are") {
  LegRig rig;
  std::vector<RigFrame> frames = KeyAcrossALeap(rig, 0);
  for (size_t i = 100; i < frames.size(); ++i) frames[i].timestamp += 40'000;  // 300 ms behind the key's end
  rig.Play(frames);
  CHECK(rig.keys() == "5");
  CHECK(rig.quiet_reports() == 0);
}

TEST_CASE("an event on a clock of its own beside the sound is one key, and the sound goes on") {
  LegRig rig;
  std::vector<int16_t> in(24'000);
  dsp::AddNoise(in, -60, 77);
  std::vector<RigFrame> frames = LegRig::Merge(rig.Cut(in), LegRig::Event('5', 12'000, 960));
  for (RigFrame& frame : frames) {
    if (frame.kind == FrameKind::kEvent) frame.timestamp += 40'000;
  }
  rig.Play(LegRig::Number(frames));
  CHECK(rig.keys() == "5");
  CHECK(rig.left().size() >= 148);
}

TEST_CASE("an event whose own clock leaps is one key") {
  LegRig rig;
  std::vector<RigFrame> frames = LegRig::Event('5', 12'000, 1600);
  for (size_t i = 4; i < frames.size(); ++i) frames[i].timestamp += 40'000;
  rig.Play(LegRig::Number(frames));
  CHECK(rig.keys() == "5");
}

}  // namespace
}  // namespace flattone::masking
