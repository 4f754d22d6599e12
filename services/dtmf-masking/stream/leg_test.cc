#include "services/dtmf-masking/stream/leg.h"

#include <algorithm>
#include <string>
#include <vector>

#include "libs/dsp/dtmf.h"
#include "libs/dsp/level.h"
#include "libs/testing/catch.h"
#include "services/dtmf-masking/stream/leg_rig.h"

namespace flattone::masking {
namespace {

using dsp::AddKey;
using dsp::AddKeys;
using dsp::AddNoise;

constexpr std::string_view kAll = "123A456B789C*0#D";

std::vector<int16_t> Room(size_t samples, double dbm0 = -60) {
  std::vector<int16_t> sound(samples);
  AddNoise(sound, dbm0, 77);
  return sound;
}

TEST_CASE("sound without keys passes bit for bit, one look-ahead later; the first look-ahead is noise") {
  for (const dsp::Law law : {dsp::Law::kMu, dsp::Law::kA}) {
    LegRig rig({.law = law});
    const std::vector<int16_t> in = Room(16000, -30);
    rig.Play(rig.Cut(in));
    REQUIRE(rig.left().size() == 100);
    CHECK(rig.left()[0].filled);
    int same = 0;
    for (size_t i = 160; i < in.size(); ++i) {
      same += rig.out()[i] == dsp::Decode(law, dsp::Encode(law, in[i - 160]));
    }
    CHECK(same == 16000 - 160);
    CHECK(rig.keys().empty());
  }
}

TEST_CASE("all keys, 100 ms: the vault side hears each once, the agent none, one flat tone each") {
  for (const int packet : {80, 160, 240, 320}) {
    CAPTURE(packet);
    LegRig rig({.packet_samples = packet});
    std::vector<int16_t> in = Room(8000 * 6);
    const auto onsets = AddKeys(in, 1003, kAll, 800, 1600);
    REQUIRE(HeardBySpandsp(in) == kAll);
    rig.Play(rig.Cut(in, packet));
    CHECK(rig.keys() == kAll);
    CHECK(HeardBySpandsp(rig.out()).empty());
    CHECK(rig.Tones() == 16);
    for (size_t i = 0; i < onsets.size(); ++i) {
      CHECK(rig.Exposed(in, onsets[i], onsets[i] + 800) == 0);
      CHECK(std::abs(static_cast<int64_t>(rig.onsets()[i]) - onsets[i]) <= 80);
    }
  }
}

TEST_CASE("levels from 0 to -30 dBm0 per tone and twist +4/-8 dB are counted and never heard") {
  for (const double level : {-3.0, -10.0, -20.0, -25.0, -30.0}) {
    for (const double twist : {-8.0, 0.0, 4.0}) {
      CAPTURE(level, twist);
      LegRig rig;
      std::vector<int16_t> in = Room(8000 * 4, -70);
      AddKeys(in, 1000, kAll, 480, 960, {.low_dbm0 = twist > 0 ? level - twist : level, .twist_db = twist});
      rig.Play(rig.Cut(in));
      CHECK(rig.keys() == kAll);
      CHECK(HeardBySpandsp(rig.out()).empty());
    }
  }
}

TEST_CASE("fast typing, 40 ms on and 40 ms off: every key counted, none heard, one flat tone each") {
  for (int phase = 0; phase < 160; phase += 23) {
    CAPTURE(phase);
    LegRig rig;
    std::vector<int16_t> in = Room(8000 * 3);
    AddKeys(in, 1000 + phase, "4111222233334444", 320, 320);
    rig.Play(rig.Cut(in));
    CHECK(rig.keys() == "4111222233334444");
    CHECK(HeardBySpandsp(rig.out()).empty());
    CHECK(rig.Tones() == 16);
  }
}

TEST_CASE("a key held for ten seconds is one key, one flat tone, and stays covered") {
  LegRig rig;
  std::vector<int16_t> in = Room(8000 * 13);
  AddKey(in, 4000, 80000, {.symbol = '7'});
  rig.Play(rig.Cut(in));
  CHECK(rig.keys() == "7");
  CHECK(rig.Tones() == 1);
  CHECK(rig.Exposed(in, 4000, 84000) == 0);
  CHECK(HeardBySpandsp(rig.out()).empty());
}

TEST_CASE("a key that sounds when the leg begins is masked and not counted") {
  for (const int into : {0, 37, 400}) {
    LegRig rig;
    std::vector<int16_t> in = Room(8000 * 2);
    AddKey(in, -into, 2400 + into, {.symbol = '5'});
    AddKey(in, 6000, 640, {.symbol = '8'});
    rig.Play(rig.Cut(in));
    CHECK(rig.keys() == "8");
    CHECK(rig.Exposed(in, 0, 2400) == 0);
    CHECK(HeardBySpandsp(rig.out()).empty());
  }
}

TEST_CASE("ten packets lost before the first digit move nothing") {
  LegRig rig;
  std::vector<int16_t> in = Room(8000 * 4);
  AddKeys(in, 8000, "4929", 480, 960);
  std::vector<RigFrame> frames = rig.Cut(in);
  frames.erase(frames.begin() + 38, frames.begin() + 48);
  rig.Play(frames);
  CHECK(rig.keys() == "4929");
  CHECK(rig.left().size() == frames.size());
  CHECK(HeardBySpandsp(rig.out()).empty());
  for (const int64_t onset : {8000, 9440, 10880, 12320}) CHECK(rig.Exposed(in, onset, onset + 480) == 0);
}

TEST_CASE("one packet in ten lost: held keys stay one key, nothing is heard") {
  LegRig rig;
  std::vector<int16_t> in = Room(8000 * 6);
  AddKeys(in, 3000, "5500112233", 1600, 1600);
  std::vector<RigFrame> frames = rig.Cut(in), kept;
  for (size_t i = 0; i < frames.size(); ++i) {
    if (i % 10 != 4) kept.push_back(frames[i]);
  }
  rig.Play(kept);
  CHECK(rig.keys() == "5500112233");
  CHECK(HeardBySpandsp(rig.out()).empty());
}

TEST_CASE("packets that swap places: the late one gets no answer, its sound still counts") {
  LegRig rig;
  std::vector<int16_t> in = Room(8000 * 3);
  AddKeys(in, 2000, "83920174", 320, 640);
  std::vector<RigFrame> frames = rig.Cut(in);
  for (size_t i = 3; i + 1 < frames.size(); i += 4) std::swap(frames[i], frames[i + 1]);
  rig.Play(frames);
  CHECK(rig.keys() == "83920174");
  CHECK(HeardBySpandsp(rig.out()).empty());
  for (size_t i = 1; i < rig.left().size(); ++i) CHECK(rig.left()[i].at > rig.left()[i - 1].at);
}

TEST_CASE("a repeated packet leaves once") {
  LegRig rig;
  const std::vector<int16_t> in = Room(3200);
  std::vector<RigFrame> frames = rig.Cut(in);
  frames.insert(frames.begin() + 5, frames[4]);
  rig.Play(frames);
  CHECK(rig.left().size() == 20);
}

TEST_CASE("RFC 4733 alone: one key per event, audio of the same timeline leaves in its place") {
  LegRig rig;
  std::vector<int16_t> in = Room(8000 * 4);
  std::vector<RigFrame> frames = rig.Cut(in), events;
  int64_t at = 4000;
  for (const char symbol : std::string("49*0#")) {
    const auto event = LegRig::Event(symbol, at, 960);
    events.insert(events.end(), event.begin(), event.end());
    frames.erase(std::remove_if(frames.begin(), frames.end(), [&](const RigFrame& f) {
                   const auto t = static_cast<int64_t>(f.timestamp - LegRig::kFirstTimestamp);
                   return t >= at && t < at + 960;
                 }), frames.end());
    at += 3200;
  }
  rig.Play(LegRig::Merge(frames, events));
  CHECK(rig.keys() == "49*0#");
  CHECK(rig.Tones() == 5);
  CHECK(HeardBySpandsp(rig.out()).empty());
  int64_t next = 0;  // no hole in what leaves, and nothing twice
  for (const LegRig::Left& left : rig.left()) {
    CHECK(left.at == next);
    next = left.at + left.size;
  }
}

TEST_CASE("event and tone of one key, at any offset and in any order, are one digit") {
  for (const int offset : {-400, -160, 0, 80, 240, 640, 1200}) {
    CAPTURE(offset);
    LegRig rig;
    std::vector<int16_t> in = Room(8000 * 5);
    const auto onsets = AddKeys(in, 4000, "1122334", 640, 1280);
    std::vector<RigFrame> events;
    for (size_t i = 0; i < onsets.size(); ++i) {
      const auto event = LegRig::Event("1122334"[i], onsets[i] + offset, 640);
      events.insert(events.end(), event.begin(), event.end());
    }
    rig.Play(LegRig::Merge(rig.Cut(in), events));
    CHECK(rig.keys() == "1122334");
    CHECK(rig.Tones() == 7);
    CHECK(HeardBySpandsp(rig.out()).empty());
    CHECK(rig.left().size() == 250);
  }
}

TEST_CASE("an event held for ten seconds beside its tone is one key") {
  LegRig rig;
  std::vector<int16_t> in = Room(8000 * 13);
  AddKey(in, 4000, 60000, {.symbol = '3'});
  rig.Play(LegRig::Merge(rig.Cut(in), LegRig::Event('3', 4000, 60000)));
  CHECK(rig.keys() == "3");
  CHECK(rig.Exposed(in, 4000, 64000) == 0);
}

TEST_CASE("an event whose end packets are all lost does not mask for ever") {
  LegRig rig;
  std::vector<int16_t> in = Room(8000 * 3);
  auto event = LegRig::Event('3', 4000, 640);
  event.resize(2);
  rig.Play(LegRig::Merge(rig.Cut(in), event));
  CHECK(rig.keys() == "3");
  CHECK(rig.Exposed(in, 8000, 16000) > 7000);
}

TEST_CASE("redundant event blocks are evidence, get no answer and never count twice") {
  LegRig rig;
  std::vector<int16_t> in = Room(8000);
  auto event = LegRig::Event('6', 3200, 640);
  std::vector<RigFrame> red = event;
  for (RigFrame& frame : red) frame.redundant = true;
  std::vector<RigFrame> all = LegRig::Merge(rig.Cut(in), red);
  rig.Play(all);
  CHECK(rig.keys() == "6");  // only the redundant copies came through
  CHECK(rig.left().size() == 50);
  rig.Play(event);
  CHECK(rig.keys() == "6");
}

TEST_CASE("a redundant event from before the leg's first packet is not counted, whether it comes ahead of that or behind it") {
  LegRig rig;
  const bool ahead = GENERATE(true, false);
  std::vector<RigFrame> frames = LegRig::Event('1', 0, 640, 1);
  frames.erase(frames.begin(), frames.end() - 1);  // its end alone
  frames[0].timestamp = LegRig::kFirstTimestamp - 800;
  frames[0].redundant = true;
  std::vector<int16_t> in = Room(16'000);
  AddKey(in, 8000, 640, {.symbol = '8'});
  const std::vector<RigFrame> audio = rig.Cut(in);
  frames.insert(frames.end(), audio.begin(), audio.end());
  frames.insert(frames.begin() + 2, frames[0]);  // and once more with the next packet
  if (!ahead) frames.erase(frames.begin());
  rig.Play(frames);
  CHECK(rig.keys() == "8");
  CHECK(rig.left().size() == audio.size());
}

TEST_CASE("quiet is told once, three seconds of RTP time after the last key ended") {
  LegRig rig;
  std::vector<int16_t> in = Room(8000 * 12);
  AddKey(in, 8000, 16000, {.symbol = '3'});
  const std::vector<RigFrame> frames = rig.Cut(in);
  rig.Play({frames.begin(), frames.begin() + 295});  // 5.9 s: the key ended at 3 s
  CHECK(rig.quiet_reports() == 0);
  rig.Play({frames.begin() + 295, frames.begin() + 310});
  CHECK(rig.quiet_reports() == 1);
  rig.Play({frames.begin() + 310, frames.end()});
  CHECK(rig.quiet_reports() == 1);
}

TEST_CASE("quiet is not told while a key has begun that is not accepted yet") {
  LegRig rig;
  std::vector<int16_t> in = Room(8000 * 8);
  AddKey(in, 23'800, 800, {.symbol = '3'});  // 25 ms before the leg has heard three seconds
  const std::vector<RigFrame> frames = rig.Cut(in);
  rig.Play({frames.begin(), frames.begin() + 160});
  CHECK(rig.quiet_reports() == 0);
  CHECK(rig.keys() == "3");
  rig.Play({frames.begin() + 160, frames.begin() + 303});
  CHECK(rig.quiet_reports() == 0);
  rig.Play({frames.begin() + 303, frames.begin() + 315});
  CHECK(rig.quiet_reports() == 1);
}

TEST_CASE("what is no sound leaves as flat tone and is a fault, what is no event is a fault") {
  LegRig rig;
  const std::vector<int16_t> in = Room(3200);
  std::vector<RigFrame> frames = rig.Cut(in);
  frames[5].payload.clear();
  frames[9].payload.assign(2000, 0x55);
  frames.push_back({.kind = FrameKind::kEvent, .timestamp = LegRig::kFirstTimestamp + 3200, .payload = {1, 2, 3}});
  rig.Play(frames);
  CHECK(rig.faults() == 3);
  CHECK(rig.left().size() == 20);
  CHECK(rig.left()[5].tone);
  CHECK(rig.left()[9].size == 160);
}

TEST_CASE("timestamps that leap or fall back begin anew, still masked") {
  LegRig rig;
  std::vector<int16_t> in = Room(8000 * 3);
  AddKeys(in, 10000, "4711", 640, 640);
  std::vector<RigFrame> frames = rig.Cut(in);
  for (size_t i = 50; i < frames.size(); ++i) frames[i].timestamp -= 5'000'000;
  rig.Play(frames);
  CHECK(rig.keys() == "4711");
}

TEST_CASE("codec change in mid-call: what was kept in the old one leaves as noise, keys in the new one count and are masked") {
  LegRig rig;
  std::vector<int16_t> in = Room(16000);
  AddKeys(in, 1600, "12", 640, 640);
  rig.Play(rig.Cut(in));
  CHECK(rig.keys() == "12");
  rig.ChangeCodec(dsp::Law::kA);
  std::vector<int16_t> more = Room(32000);
  const auto onsets = AddKeys(more, 17600, "34", 640, 640);
  const std::vector<RigFrame> frames = rig.Cut(more);
  rig.Play({frames.begin() + 100, frames.end()});
  CHECK(rig.left()[100].filled);
  CHECK(rig.keys() == "1234");
  for (const int64_t onset : onsets) CHECK(rig.Exposed(more, onset, onset + 640) == 0);
  CHECK(HeardBySpandsp(rig.out()).empty());
}

// --- What must not be taken away -------------------------------------------------------------------------

// Samples of [from, to) that can be heard in what left, however late: found by content, in runs of 8 or more.
int64_t HeardAnywhere(const LegRig& rig, const std::vector<int16_t>& in, int64_t from, int64_t to) {
  int64_t heard = 0;
  for (int64_t delay = 0; delay <= 480; delay += 20) {
    int64_t run = 0;
    for (int64_t i = from; i <= to; ++i) {
      const int64_t there = i + delay;
      const bool same = i < to && there < static_cast<int64_t>(rig.out().size()) &&
                        rig.out()[there] == dsp::Decode(dsp::Law::kMu, dsp::Encode(dsp::Law::kMu, in[i]));
      if (!same && run >= 8) heard += run;
      run = same ? run + 1 : 0;
    }
  }
  return heard;
}

TEST_CASE("look-ahead: no sample of an onset leaves, wherever in the packet it falls") {
  for (int phase = 0; phase < 160; phase += 7) {
    CAPTURE(phase);
    LegRig rig;
    std::vector<int16_t> in = Room(6400);
    AddKey(in, 3200 + phase, 640, {.symbol = '9'});
    rig.Play(rig.Cut(in));
    CHECK(rig.Exposed(in, 3200 + phase, 3840 + phase) == 0);
    CHECK(HeardAnywhere(rig, in, 3200 + phase, 3840 + phase) == 0);
  }
}

TEST_CASE("a key that fades out is covered until it cannot be heard") {
  for (int phase = 0; phase < 160; phase += 7) {
    CAPTURE(phase);
    LegRig rig;
    std::vector<int16_t> in = Room(8000, -50);
    AddKey(in, 1600 + phase, 1600, {.symbol = '9', .low_dbm0 = -12, .ramp_samples = 400});
    rig.Play(rig.Cut(in));
    CHECK(rig.keys() == "9");
    // The last millisecond of the ramp lies 58 dB below the key, under the room.
    CHECK(rig.Exposed(in, 1600 + phase + 8, 3200 + phase - 8) == 0);
  }
}

TEST_CASE("tail hold: the rest of a key behind a click at its release stays covered") {
  for (int phase = 0; phase < 160; phase += 7) {
    CAPTURE(phase);
    LegRig rig;
    std::vector<int16_t> in = Room(8000, -60);
    const int64_t onset = 1600 + phase, release = onset + 600;
    AddKey(in, onset, 638, {.symbol = '9', .low_dbm0 = -22});
    for (int64_t i = release; i < release + 8; ++i) in[i] = i % 2 == 0 ? 32000 : -32000;
    rig.Play(rig.Cut(in));
    CHECK(rig.Exposed(in, onset, onset + 638) == 0);
  }
}

}  // namespace
}  // namespace flattone::masking
