// Human speech (Debian's asterisk-core-sounds-*-wav, where installed) through the leg: how much of it is
// altered, how many keys are heard that nobody pressed, and keys that lie over it.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "libs/dsp/dtmf.h"
#include "libs/dsp/level.h"
#include "libs/dsp/wav.h"
#include "libs/testing/catch.h"
#include "libs/testing/left_out.h"
#include "services/dtmf-masking/stream/leg.h"
#include "services/dtmf-masking/stream/leg_rig.h"

namespace flattone::masking {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kSounds = "/usr/share/asterisk/sounds";

// Every `step`th file of the voices that are installed, one sound with 0.2 s between; empty: none installed.
std::vector<int16_t> Speech(std::string_view language, int step) {
  std::vector<std::string> paths;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(kSounds, ec)) {
    if (entry.path().filename().string().rfind(language, 0) != 0) continue;
    for (const auto& file : fs::recursive_directory_iterator(entry.path(), ec)) {
      if (file.path().extension() == ".wav") paths.push_back(file.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<int16_t> all;
  for (size_t i = 0; i < paths.size(); i += step) {
    auto sound = dsp::ReadWav(paths[i]);
    if (!sound.ok()) continue;
    all.insert(all.end(), sound->begin(), sound->end());
    all.resize(all.size() + 1600);
  }
  all.resize(all.size() / 160 * 160);
  return all;
}

void Skip() { flattone::testing::LeftOut("no speech: install asterisk-core-sounds-en-wav and asterisk-core-sounds-fr-wav; test skipped"); }

struct Share {
  int64_t frames = 0, altered = 0;
  double percent() const { return frames == 0 ? 0 : 100.0 * static_cast<double>(altered) / static_cast<double>(frames); }
};
// Packets that carry sound above −40 dBm0 and are not within [from, to) of `keys`, 100 ms around.
Share Altered(const LegRig& rig, const std::vector<int16_t>& in, const std::vector<int64_t>& keys = {}) {
  Share share;
  for (const LegRig::Left& left : rig.left()) {
    const int64_t at = left.at - 160;
    if (at < 0 || dsp::Dbm0OfPower(dsp::MeanSquare(std::span(in).subspan(at, left.size))) < -40) continue;
    const bool near_key = std::any_of(keys.begin(), keys.end(), [&](int64_t k) { return at > k - 800 && at < k + 1760; });
    if (near_key) continue;
    ++share.frames;
    share.altered += left.altered;
  }
  return share;
}

// The longest that a stopping call waits for ten packets in a row (200 ms) in which nothing is altered, in packets.
int64_t LongestWait(const LegRig& rig) {
  int64_t longest = 0, since = 0, run = 0;
  for (const LegRig::Left& left : rig.left()) {
    ++since;
    run = left.altered ? 0 : run + 1;
    longest = std::max(longest, since);
    if (run >= 10) since = 0;
  }
  return longest;
}

// A quarter of each voice's prompts, which may be a harder one; tools/score-detector hears all of them, where the goal is 1.5 %.
TEST_CASE("speech alone: of no voice more than 2 % of its frames altered, and no false key", "[speech][long]") {
  bool any = false;
  for (const std::string_view language : {"en", "es", "fr", "it", "ru"}) {
    const std::vector<int16_t> in = Speech(language, 4);
    if (in.empty()) continue;
    any = true;
    LegRig rig;
    rig.Play(rig.Cut(in));
    const Share share = Altered(rig, in);
    const double minutes = static_cast<double>(in.size()) / 8000 / 60;
    std::printf("speech %s: %.1f min, %.2f %% of %ld active frames altered, %zu false keys\n", std::string(language).c_str(),
                minutes, share.percent(), static_cast<long>(share.frames), rig.keys().size());
    std::printf("  a stopping call waits for at most %ld packets\n", static_cast<long>(LongestWait(rig)));
    CHECK(LongestWait(rig) <= 100);  // 2 s
    CHECK(share.percent() <= 2.0);
    CHECK(rig.keys().empty());
    CHECK(HeardBySpandsp(rig.out()).empty());
  }
  if (!any) Skip();
}

TEST_CASE("keys pressed between words, at three levels: all counted, none heard, the words pass", "[speech]") {
  const std::vector<int16_t> voice = Speech("en", 16);
  if (voice.empty()) return Skip();
  for (const double level : {-8.0, -16.0, -24.0}) {
    LegRig rig;
    // Where it is quiet for 200 ms there is a key.
    std::vector<int16_t> in = voice;
    std::vector<int64_t> onsets;
    std::string pressed;
    for (size_t at = 800; at + 3200 < in.size(); at += 160) {
      if (!onsets.empty() && static_cast<int64_t>(at) < onsets.back() + 3200) continue;
      if (dsp::Dbm0OfPower(dsp::MeanSquare(std::span(voice).subspan(at, 1600))) > -55) continue;
      const int64_t onset = static_cast<int64_t>(at) + 400 + static_cast<int64_t>(onsets.size() * 37 % 160);
      pressed += dsp::kKeypad[onsets.size() % 16];
      dsp::AddKey(in, onset, 640, {.symbol = pressed.back(), .low_dbm0 = level});
      onsets.push_back(onset);
    }
    rig.Play(rig.Cut(in));
    const Share share = Altered(rig, in, onsets);
    std::printf("keys between words at %.0f dBm0: %zu pressed, %zu counted, agent hears %zu, %d flat tones, %.2f %% of speech altered\n",
                level, pressed.size(), rig.keys().size(), HeardBySpandsp(rig.out()).size(), rig.Tones(), share.percent());
    CHECK(pressed.size() > 20);
    CHECK(rig.keys() == pressed);
    CHECK(HeardBySpandsp(rig.out()).empty());
    CHECK(rig.Tones() == static_cast<int>(pressed.size()));
    CHECK(share.percent() < 3.0);
  }
}

TEST_CASE("keys over running speech, tone 20, 10 and 6 dB above: spandsp hears none, onsets are covered", "[speech]") {
  const std::vector<int16_t> voice = Speech("fr", 16);
  if (voice.empty()) return Skip();
  for (const double above : {20.0, 10.0, 6.0}) {
    LegRig rig;
    std::vector<int16_t> in = voice;
    std::string pressed;
    std::vector<int64_t> onsets;
    for (size_t at = 1600; at + 3200 < in.size(); at += 3200) {
      const double speech = dsp::Dbm0OfPower(dsp::MeanSquare(std::span(voice).subspan(at, 640)));
      if (speech < -35 || speech + above > -3) continue;
      pressed += dsp::kKeypad[pressed.size() * 7 % 16];
      const int64_t onset = static_cast<int64_t>(at + pressed.size() * 41 % 160);
      dsp::AddKey(in, onset, 640, {.symbol = pressed.back(), .low_dbm0 = speech + above - 3});
      onsets.push_back(onset);
    }
    rig.Play(rig.Cut(in));
    int leaked = 0;
    for (const int64_t onset : onsets) leaked += rig.Exposed(in, onset, onset + 640) > 4;
    std::printf("keys %.0f dB above speech: %zu pressed, spandsp hears %zu before and %zu after, %zu counted, %d with an open sample\n",
                above, pressed.size(), HeardBySpandsp(in).size(), HeardBySpandsp(rig.out()).size(), rig.keys().size(), leaked);
    CHECK(HeardBySpandsp(rig.out()).empty());
    CHECK(leaked * 100 <= static_cast<int>(onsets.size()));
    if (above == 20.0) CHECK(rig.keys().size() >= pressed.size() * 98 / 100);
  }
}

}  // namespace
}  // namespace flattone::masking
