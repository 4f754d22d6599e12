#include "services/dtmf-masking/detect/digit_detector.h"

#include <string>
#include <vector>

#include "libs/dsp/dtmf.h"
#include "libs/dsp/g711.h"
#include "libs/dsp/level.h"
#include "libs/testing/catch.h"
#include "services/dtmf-masking/detect/tone_detector.h"

namespace flattone::masking {
namespace {

// µ-law as it would come from a line.
std::string Heard(std::vector<int16_t> sound) {
  for (int16_t& s : sound) s = dsp::Decode(dsp::Law::kMu, dsp::Encode(dsp::Law::kMu, s));
  DigitDetector detector;
  std::string keys;
  for (size_t at = 0; at + kHop <= sound.size(); at += kHop) {
    const auto started = detector.Push(std::span(sound).subspan(at, kHop), kHop);
    if (started) keys += dsp::kKeypad[started->key];
  }
  return keys;
}

// All sixteen keys, each at another phase of the hop.
std::vector<int16_t> Row(int64_t on, int64_t off, dsp::KeyTone tone, double noise_dbm0 = -70) {
  std::vector<int16_t> sound(2000 + 16 * (on + off + 3));
  dsp::AddNoise(sound, noise_dbm0, 3);
  int64_t at = 800;
  for (const char symbol : dsp::kKeypad) {
    tone.symbol = symbol;
    dsp::AddKey(sound, at, on, tone);
    at += on + off + 3;
  }
  return sound;
}

TEST_CASE("Q.24: 40 ms is a key, 23 ms is none") {
  CHECK(Heard(Row(320, 320, {})) == dsp::kKeypad);
  CHECK(Heard(Row(184, 800, {})).empty());
}

TEST_CASE("Q.24: 1.5 % offset is accepted, 3.5 % refused, both ways") {
  for (const double offset : {-1.5, 1.5}) CHECK(Heard(Row(400, 400, {.offset_percent = offset})) == dsp::kKeypad);
  for (const double offset : {-3.5, 3.5}) CHECK(Heard(Row(400, 400, {.offset_percent = offset})).empty());
}

TEST_CASE("Q.24: twist of +4 and -8 dB is accepted, of +9 and -13 refused") {
  for (const double twist : {4.0, -8.0}) {
    CHECK(Heard(Row(400, 400, {.low_dbm0 = -14, .twist_db = twist, .offset_percent = 1.5})) == dsp::kKeypad);
  }
  for (const double twist : {9.0, -13.0}) CHECK(Heard(Row(400, 400, {.low_dbm0 = -20, .twist_db = twist})).empty());
}

TEST_CASE("Q.24: 0 to -25 dBm0 a tone") {
  for (const double level : {-1.0, -13.0, -25.0, -34.0}) CHECK(Heard(Row(320, 320, {.low_dbm0 = level})) == dsp::kKeypad);
  CHECK(Heard(Row(400, 400, {.low_dbm0 = -50}, -90)).empty());
}

TEST_CASE("white noise 12 dB below the key does not hide it; noise alone is no key") {
  CHECK(Heard(Row(400, 400, {.low_dbm0 = -15}, -24)) == dsp::kKeypad);
  std::vector<int16_t> noise(8000 * 60);
  dsp::AddNoise(noise, -20, 9);
  CHECK(Heard(noise).empty());
}

TEST_CASE("a break of 10 ms does not end a key, a pause of 40 ms does") {
  std::vector<int16_t> sound(8000);
  dsp::AddKey(sound, 800, 1600, {.symbol = '5'});
  std::fill(sound.begin() + 1500, sound.begin() + 1580, int16_t{0});
  CHECK(Heard(sound) == "5");
  std::fill(sound.begin() + 1500, sound.begin() + 1820, int16_t{0});
  CHECK(Heard(sound) == "55");
}

TEST_CASE("one tone, or two of one group, are no key") {
  std::vector<int16_t> sound(8000);
  dsp::AddSine(sound, 0, 4000, 770, -10);
  dsp::AddSine(sound, 4000, 4000, 697, -10);
  dsp::AddSine(sound, 4000, 4000, 941, -10);
  CHECK(Heard(sound).empty());
}

TEST_CASE("lost sound inside a key does not split it") {
  std::vector<int16_t> sound(8000);
  dsp::AddKey(sound, 800, 2400, {.symbol = '5'});
  std::fill(sound.begin() + 1600, sound.begin() + 1920, int16_t{0});
  DigitDetector detector;
  int keys = 0;
  for (size_t at = 0; at + kHop <= sound.size(); at += kHop) {
    const bool lost = at >= 1600 && at < 1920;
    keys += detector.Push(std::span(sound).subspan(at, kHop), lost ? 0 : kHop).has_value();
  }
  CHECK(keys == 1);
}

}  // namespace
}  // namespace flattone::masking
