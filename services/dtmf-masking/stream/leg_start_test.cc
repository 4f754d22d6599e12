// What was heard before the leg began, the flat tone that is owed behind its end, and sound that comes too late.
#include <memory>
#include <string>
#include <vector>

#include "libs/dsp/dtmf.h"
#include "libs/testing/catch.h"
#include "services/dtmf-masking/stream/leg_rig.h"

namespace flattone::masking {
namespace {

using dsp::AddKey;

constexpr std::string_view kAll = "123A456B789C*0#D";

std::vector<int16_t> Room(size_t samples, double dbm0 = -60) {
  std::vector<int16_t> sound(samples);
  dsp::AddNoise(sound, dbm0, 77);
  return sound;
}

// The leg begins with packet `first`; the packet before it, 20 ms, is told as heard before the start.
std::vector<RigFrame> BeginAt(std::vector<RigFrame> frames, size_t first) {
  frames.erase(frames.begin(), frames.begin() + static_cast<int64_t>(first) - 1);
  frames.front().before = true;
  return frames;
}

TEST_CASE("a key that begins with the leg's first sample or later counts, one that began 10 ms before it does not", "[long]") {
  for (const char symbol : kAll) {
    for (const double level : {-3.0, -12.0, -24.0}) {
      for (int from_start = -400; from_start <= 320; from_start += 8) {
        if (from_start > -80 && from_start < 0) continue;  // what lies within the error of an onset may go either way
        CAPTURE(symbol, level, from_start);
        LegRig rig;
        std::vector<int16_t> in = Room(8000, -55);
        AddKey(in, 1600 + from_start, 720, {.symbol = symbol, .low_dbm0 = level});
        rig.Play(BeginAt(rig.Cut(in), 10));
        CHECK(rig.keys() == (from_start < 0 ? "" : std::string(1, symbol)));
        CHECK(rig.Exposed(in, 1600 + from_start, 2320 + from_start) == 0);
        CHECK(HeardBySpandsp(rig.out()).empty());
      }
    }
  }
}

TEST_CASE("a key behind the start counts over noise, speech-like sound and twist") {
  for (const double twist : {-6.0, 4.0}) {
    for (const double noise : {-32.0, -26.0}) {
      for (int from_start = 0; from_start < 160; from_start += 10) {
        CAPTURE(twist, noise, from_start);
        LegRig rig;
        std::vector<int16_t> in = Room(8000, noise);
        AddKey(in, 1600 + from_start, 720, {.symbol = '6', .low_dbm0 = -10, .twist_db = twist});
        rig.Play(BeginAt(rig.Cut(in), 10));
        CHECK(rig.keys() == "6");
      }
    }
  }
}

TEST_CASE("what was heard before the start never leaves, and the frames behind it are answered") {
  LegRig rig;
  const std::vector<int16_t> in = Room(3200, -20);
  rig.Play(BeginAt(rig.Cut(in), 10));
  REQUIRE(rig.left().size() == 10);
  CHECK(rig.left()[0].at == 1600);
  CHECK(rig.left()[0].filled);
  CHECK_FALSE(rig.left()[1].altered);
}

TEST_CASE("an event told as under way before the start is masked and not counted, its repeats neither") {
  LegRig rig;
  std::vector<RigFrame> event = LegRig::Event('5', 1440, 960);
  std::vector<RigFrame> audio = rig.Cut(Room(8000));
  audio.erase(audio.begin() + 9, audio.begin() + 15);
  std::vector<RigFrame> frames = LegRig::Merge({audio.begin() + 8, audio.end()}, event);
  frames[0].before = frames[1].before = true;  // the last sound, and the event's first packet
  REQUIRE(frames[1].kind == FrameKind::kEvent);
  const auto next = LegRig::Event('6', 4000, 640);
  rig.Play(LegRig::Merge(frames, next));
  CHECK(rig.keys() == "6");
}

TEST_CASE("an event whose first packet comes behind the start counts") {
  for (const int onset : {1440, 1600}) {  // beside the sound's packet, or in its place
    CAPTURE(onset);
    LegRig rig;
    std::vector<RigFrame> audio = rig.Cut(Room(8000));
    std::vector<RigFrame> frames = LegRig::Merge({audio.begin() + 9, audio.end()}, LegRig::Event('5', onset, 960));
    REQUIRE(frames[0].kind == FrameKind::kAudio);
    frames[0].before = true;
    rig.Play(frames);
    CHECK(rig.keys() == "5");
  }
}

// How much the masks' detector was given to hear: the work that frames cost.
class CountingDetector final : public ToneDetector {
 public:
  explicit CountingDetector(int& hops) : hops_(hops), trained_(MakeTrainedDetector()) {}
  bool Push(std::span<const int16_t> hop, int known) override {
    ++hops_;
    return trained_->Push(hop, known);
  }
  Span span() const override { return trained_->span(); }
  void Reset() override { trained_->Reset(); }

 private:
  int& hops_;
  std::unique_ptr<ToneDetector> trained_;
};
constexpr int kMostHops = static_cast<int>(SoundLine::kSize) / kHop;  // for one frame

TEST_CASE("an event of half an hour before the start costs no work, and a key with the first sample counts") {
  int hops = 0;
  LegRig rig({}, std::make_unique<CountingDetector>(hops));
  std::vector<RigFrame> old = LegRig::Event('5', 0, 960);
  old.front().timestamp -= 30 * 60 * 8000;
  old.front().before = true;
  std::vector<int16_t> in = Room(8000, -55);
  AddKey(in, 1600, 720, {.symbol = '7'});
  std::vector<RigFrame> frames = BeginAt(rig.Cut(in), 10);
  frames.insert(frames.begin(), old.front());
  rig.Play(frames);
  CHECK(hops < 500);  // 0.8 s of sound are 330
  CHECK(rig.keys() == "7");
  CHECK(rig.left().size() == 40);
}

TEST_CASE("what was told of long ago, with nothing newer, leaves a key that is there at once in doubt: not counted") {
  LegRig rig;
  std::vector<RigFrame> old = LegRig::Event('5', 0, 960);
  old.front().timestamp -= 30 * 60 * 8000;
  old.front().before = true;
  std::vector<int16_t> in = Room(8000);
  AddKey(in, -400, 1200, {.symbol = '7'});
  AddKey(in, 4000, 640, {.symbol = '8'});
  std::vector<RigFrame> frames = rig.Cut(in);
  frames.insert(frames.begin(), old.front());
  rig.Play(frames);
  CHECK(rig.keys() == "8");
}

TEST_CASE("events on an absurd clock, or one that is told to last for hours, cost bounded work; keys behind them count") {
  int hops = 0;
  LegRig rig({}, std::make_unique<CountingDetector>(hops));
  std::vector<RigFrame> event = LegRig::Event('5', 0, 480);
  for (RigFrame& frame : event) frame.event_clock_rate = 1;
  rig.Play(event);
  CHECK(rig.keys() == "5");
  CHECK(hops <= static_cast<int>(event.size()) * kMostHops);
  std::vector<RigFrame> long_one = LegRig::Event('6', 8000, 320, 1);
  for (int i = 0; i < 31; ++i) long_one.back().payload.insert(long_one.back().payload.end(), {6, 10, 0xff, 0xff});
  hops = 0;
  rig.Play(long_one);
  CHECK(hops <= 4 * kMostHops);
  std::vector<int16_t> in = Room(24000);
  AddKey(in, 16000, 640, {.symbol = '8'});
  rig.Play(rig.Cut(in));
  CHECK(rig.keys().back() == '8');
  CHECK(HeardBySpandsp(rig.out()).empty());
}

TEST_CASE("each answer tells how much flat tone is still to come; asked for in silence it is taken out") {
  LegRig rig;
  std::vector<int16_t> in = Room(1600);
  AddKey(in, 800, 480, {.symbol = '7'});
  std::vector<RigFrame> frames = rig.Cut(in);
  frames.resize(8);  // the caller's packets stop when the key has just been accepted
  rig.Play(frames);
  REQUIRE(rig.keys() == "7");
  REQUIRE(rig.left().back().tone_left > 0);
  uint32_t next = LegRig::kFirstTimestamp + 8 * 160;
  int extra = 0;
  for (; rig.left().back().tone_left > 0 && extra < 10; ++extra, next += 160) {
    rig.Play({{.kind = FrameKind::kComfortNoise, .timestamp = next}});
  }
  CHECK(extra <= 4);
  int tone = 0;
  for (const LegRig::Left& left : rig.left()) tone += left.tone;
  CHECK(tone == 3);  // 60 ms, whole
  CHECK(rig.left().back().at == static_cast<int64_t>(8 + extra - 1) * 160);
}

TEST_CASE("sound that comes when the masks have passed its place is covered unheard") {
  LegRig rig({.packet_samples = 80});
  std::vector<int16_t> in = Room(4800, -30);
  AddKey(in, 2400, 800, {.symbol = '8'});
  std::vector<RigFrame> frames = rig.Cut(in, 80);
  for (size_t i = 20; i + 1 < frames.size(); i += 3) std::swap(frames[i], frames[i + 1]);
  rig.Play(frames);
  CHECK(rig.Exposed(in, 2400, 3200) == 0);
  CHECK(HeardBySpandsp(rig.out()).empty());
}

}  // namespace
}  // namespace flattone::masking
