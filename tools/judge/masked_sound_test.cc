// The masker's output before all ears that are not ours: human speech with keys typed into it, in every way that
// keys travel. Each row first has to be heard in the unmasked sound.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "libs/dsp/dtmf.h"
#include "libs/dsp/wav.h"
#include "libs/testing/catch.h"
#include "libs/testing/left_out.h"
#include "services/dtmf-masking/stream/leg_rig.h"
#include "tools/judge/compare.h"
#include "tools/judge/decoders.h"
#include "tools/judge/flat_tones.h"

namespace flattone::judge {
namespace {

using masking::LegRig;
using masking::RigFrame;

std::vector<int16_t> Voice() {
  std::vector<std::string> paths;
  std::error_code ec;
  for (const auto& file : std::filesystem::recursive_directory_iterator("/usr/share/asterisk/sounds/en_US_f_Allison", ec)) {
    if (file.path().extension() == ".wav") paths.push_back(file.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<int16_t> voice;
  for (size_t i = 0; i < paths.size() && voice.size() < 8000 * 30; i += 29) {
    const auto sound = dsp::ReadWav(paths[i]);
    if (sound.ok()) voice.insert(voice.end(), sound->begin(), sound->end());
  }
  if (voice.empty()) {
    flattone::testing::LeftOut("no speech: install asterisk-core-sounds-en-wav; noise takes its place");
    voice.resize(8000 * 30);
    dsp::AddNoise(voice, -30, 2);
  }
  return voice;
}

struct Typed {
  std::vector<int16_t> sound;
  std::string keys;
  std::vector<int64_t> onsets;
};
// Voice, then 16 digits typed, voice, 7 more, voice.
Typed Type(double level, int64_t on, int64_t off) {
  std::vector<int16_t> voice = Voice();
  Typed typed;
  const auto speak = [&](size_t from, size_t to) {
    from = std::min(from, voice.size());
    to = std::min(to, voice.size());
    typed.sound.insert(typed.sound.end(), voice.begin() + static_cast<long>(from), voice.begin() + static_cast<long>(to));
  };
  const auto keys = [&](std::string_view symbols) {
    const auto at = static_cast<int64_t>(typed.sound.size()) + 1600;
    typed.sound.resize(static_cast<size_t>(at + static_cast<int64_t>(symbols.size()) * (on + off) + 1600));
    const auto onsets = dsp::AddKeys(typed.sound, at, symbols, on, off, {.low_dbm0 = level});
    typed.onsets.insert(typed.onsets.end(), onsets.begin(), onsets.end());
    typed.keys += symbols;
  };
  speak(0, 80000);
  keys("8140926753312468");
  speak(80000, 160000);
  keys("1228907");
  speak(160000, 240000);
  typed.sound.resize(typed.sound.size() / 160 * 160);
  return typed;
}

std::string Symbols(const std::vector<HeardKey>& keys) {
  std::string symbols;
  for (const HeardKey& key : keys) symbols += key.symbol;
  return symbols;
}

void Judge(const Typed& typed, const LegRig& rig, const char* row) {
  const std::vector<int16_t>& in = typed.sound;
  CHECK(Symbols(AskSpandsp(in)) == typed.keys);
  const auto before = AskMultimon(in);
  const auto after = AskMultimon(rig.out());
  if (before) {
    CHECK(before->size() >= typed.keys.size() * 9 / 10);
    CHECK(after.value_or("failed").empty());
  } else {
    flattone::testing::LeftOut("multimon-ng is not installed: one ear less");
  }
  CHECK(rig.keys() == typed.keys);
  CHECK(AskSpandsp(rig.out()).empty());
  CHECK(FindFlatTones(rig.out(), 425).size() == typed.keys.size());
  std::vector<int16_t> line = in;  // what came over the line is µ-law
  for (int16_t& s : line) s = dsp::Decode(dsp::Law::kMu, dsp::Encode(dsp::Law::kMu, s));
  const Comparison same = Compare(line, rig.out(), {});
  CHECK(same.aligned);
  CHECK(same.delay == 160);
  CHECK(same.identical_percent() >= 97);
  std::printf("%s: caller %zu keys, agent spandsp %zu multimon %zu, %zu flat tones, %.2f %% of %ld speech frames identical\n",
              row, typed.keys.size(), AskSpandsp(rig.out()).size(), after.value_or("").size(),
              FindFlatTones(rig.out(), 425).size(), same.identical_percent(), static_cast<long>(same.speech_frames));
}

TEST_CASE("in-band keys between human speech: no ear hears one, 97 % of the speech is untouched") {
  for (const double level : {-6.0, -14.0, -24.0}) {
    const Typed typed = Type(level, 800, 1200);
    LegRig rig;
    rig.Play(rig.Cut(typed.sound));
    Judge(typed, rig, "in-band");
  }
}

TEST_CASE("fast typing, 45 ms on and 45 ms off") {
  const Typed typed = Type(-10, 360, 360);
  LegRig rig;
  rig.Play(rig.Cut(typed.sound));
  Judge(typed, rig, "fast");
}

TEST_CASE("tones and events together") {
  const Typed typed = Type(-10, 800, 1200);
  LegRig rig;
  std::vector<RigFrame> events;
  for (size_t i = 0; i < typed.onsets.size(); ++i) {
    const auto event = LegRig::Event(typed.keys[i], typed.onsets[i] + 200, 800);
    events.insert(events.end(), event.begin(), event.end());
  }
  rig.Play(LegRig::Merge(rig.Cut(typed.sound), events));
  Judge(typed, rig, "both");
}

}  // namespace
}  // namespace flattone::judge
