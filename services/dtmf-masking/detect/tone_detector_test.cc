#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "libs/dsp/dtmf.h"
#include "libs/dsp/hop_bank.h"
#include "libs/dsp/level.h"
#include "libs/testing/catch.h"
#include "services/dtmf-masking/detect/tone_detector.h"
#include "services/dtmf-masking/detect/tree_model.h"

namespace flattone::masking {
namespace {

// Which samples the detector would cover; a verdict counts only for what is not older than the look-ahead and the
// hop before it, as for a leg.
std::vector<bool> Covered(const std::vector<int16_t>& sound) {
  const auto detector = MakeTrainedDetector();
  std::vector<bool> covered(sound.size());
  for (size_t end = kHop; end <= sound.size(); end += kHop) {
    if (!detector->Push(std::span(sound).subspan(end - kHop, kHop), kHop)) continue;
    const auto [from, to] = detector->span();
    REQUIRE(from <= ToneFeatures::kAhead + 2 * kHop);
    const auto first = static_cast<int64_t>(end) - from, last = static_cast<int64_t>(end) - to;
    for (int64_t i = std::max<int64_t>(0, first); i < last; ++i) covered[i] = true;
  }
  return covered;
}
int64_t Open(const std::vector<bool>& covered, int64_t from, int64_t to) {
  return std::count(covered.begin() + from, covered.begin() + to, false);
}

TEST_CASE("every sample of a key is suspected in time, at any level, twist and offset") {
  for (const double level : {-3.0, -20.0, -42.0}) {
    for (const double twist : {-8.0, 0.0, 8.0}) {
      for (const double offset : {-3.5, 0.0, 3.5}) {
        for (const char symbol : dsp::kKeypad) {
          CAPTURE(level, twist, offset, symbol);
          std::vector<int16_t> sound(2400);
          dsp::AddNoise(sound, -65, 5);
          dsp::AddKey(sound, 807, 811, {.symbol = symbol, .low_dbm0 = twist > 0 ? level - twist / 2 : level,
                                        .twist_db = twist, .offset_percent = offset});
          const std::vector<bool> covered = Covered(sound);
          CHECK(Open(covered, 807, 807 + 811) <= 4);
          CHECK(Open(covered, 0, 640) == 640);
        }
      }
    }
  }
}

TEST_CASE("noise, silence, one tone and a dial tone are not suspected") {
  std::vector<int16_t> sound(16000);
  CHECK(Open(Covered(sound), 0, 16000) == 16000);
  dsp::AddNoise(sound, -20, 4);
  CHECK(Open(Covered(sound), 0, 16000) > 15800);
  std::vector<int16_t> tone(16000);
  dsp::AddSine(tone, 0, 16000, 425, -10);
  CHECK(Open(Covered(tone), 0, 16000) == 16000);
  std::vector<int16_t> dial(16000);
  dsp::AddSine(dial, 0, 16000, 350, -13);
  dsp::AddSine(dial, 0, 16000, 440, -13);
  CHECK(Open(Covered(dial), 0, 16000) == 16000);
}

TEST_CASE("Reset forgets the sound") {
  const auto detector = MakeTrainedDetector();
  std::vector<int16_t> sound(800);
  dsp::AddKey(sound, 0, 800, {});
  bool on = false;
  for (size_t at = 0; at < sound.size(); at += kHop) on = detector->Push(std::span(sound).subspan(at, kHop), kHop);
  CHECK(on);
  detector->Reset();
  const std::vector<int16_t> silence(kHop);
  for (int hop = 0; hop < 12; ++hop) CHECK_FALSE(detector->Push(silence, kHop));
}

TEST_CASE("the gates end early and change no verdict on plain keys; every instruction set decides alike") {
  std::vector<int16_t> sound(8000);
  dsp::AddNoise(sound, -40, 11);
  dsp::AddKeys(sound, 700, "159D", 700, 900, {.low_dbm0 = -20, .offset_percent = 1});
  std::vector<bool> first;
  for (const char* target : dsp::HopBankTargets()) {
    CAPTURE(target);
    REQUIRE(dsp::ForceHopBankTarget(target));
    ToneFeatures features;
    std::array<float, ToneFeatures::kCount> numbers;
    std::vector<bool> verdicts;
    for (size_t at = 0; at < sound.size(); at += kHop) {
      const bool possible = features.Push(std::span(sound).subspan(at, kHop), kHop) == ToneFeatures::Answer::kPossible;
      if (possible) features.Fill(numbers);
      verdicts.push_back(possible && TreeModel::Margin(numbers) > TreeModel::start());
      if (possible) CHECK((TreeModel::WholeMargin(numbers) > TreeModel::start()) == verdicts.back());
    }
    if (first.empty()) first = verdicts;
    CHECK(verdicts == first);
  }
  REQUIRE(dsp::ForceHopBankTarget(""));
}

}  // namespace
}  // namespace flattone::masking
