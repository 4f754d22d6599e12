#include <string>
#include <vector>

#include "libs/dsp/dtmf.h"
#include "libs/dsp/level.h"
#include "libs/testing/catch.h"
#include "services/dtmf-masking/detect/tone_detector.h"

namespace flattone::masking {
namespace {

// Samples from the onset to the first suspicion; -1: none.
int64_t Delay(std::vector<int16_t> sound, int64_t onset, int lookahead) {
  const auto detector = MakeRuleDetector(lookahead);
  for (size_t at = 0; at + kHop <= sound.size(); at += kHop) {
    if (detector->Push(std::span(sound).subspan(at, kHop), kHop)) return static_cast<int64_t>(at) + kHop - onset;
  }
  return -1;
}

TEST_CASE("every key is suspected before its onset has left, at any level, twist and offset") {
  for (const int lookahead : {80, 160}) {
    for (const double level : {-3.0, -20.0, -42.0}) {
      for (const double twist : {-8.0, 0.0, 8.0}) {
        for (const double offset : {-3.5, 0.0, 3.5}) {
          if (lookahead < 160 && (twist != 0 || offset != 0)) continue;  // 10 ms see less
          for (const char symbol : dsp::kKeypad) {
            CAPTURE(lookahead, level, twist, offset, symbol);
            std::vector<int16_t> sound(1600);
            dsp::AddNoise(sound, -65, 5);
            dsp::AddKey(sound, 800, 800, {.symbol = symbol, .low_dbm0 = twist > 0 ? level - twist / 2 : level,
                                          .twist_db = twist, .offset_percent = offset});
            const int64_t delay = Delay(sound, 800, lookahead);
            CHECK(delay > 0);
            CHECK(delay <= lookahead);
          }
        }
      }
    }
  }
}

TEST_CASE("noise, silence, one tone and a dial tone are not suspected") {
  std::vector<int16_t> sound(16000);
  CHECK(Delay(sound, 0, 160) == -1);
  dsp::AddNoise(sound, -20, 4);
  CHECK(Delay(sound, 0, 160) == -1);
  std::vector<int16_t> tone(16000);
  dsp::AddSine(tone, 0, 16000, 425, -10);
  CHECK(Delay(tone, 0, 160) == -1);
  std::vector<int16_t> dial(16000);
  dsp::AddSine(dial, 0, 16000, 350, -13);
  dsp::AddSine(dial, 0, 16000, 440, -13);
  CHECK(Delay(dial, 0, 160) == -1);
}

TEST_CASE("Reset forgets the sound") {
  const auto detector = MakeRuleDetector(160);
  std::vector<int16_t> sound(400);
  dsp::AddKey(sound, 0, 400, {});
  bool on = false;
  for (size_t at = 0; at < 400; at += kHop) on = detector->Push(std::span(sound).subspan(at, kHop), kHop);
  CHECK(on);
  detector->Reset();
  std::vector<int16_t> silence(kHop);
  CHECK_FALSE(detector->Push(silence, kHop));
}

}  // namespace
}  // namespace flattone::masking
