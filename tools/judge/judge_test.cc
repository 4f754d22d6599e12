#include <string>
#include <vector>

#include "libs/dsp/dtmf.h"
#include "libs/testing/catch.h"
#include "tools/judge/compare.h"
#include "tools/judge/report.h"
#include "tools/judge/self_test.h"

namespace flattone::judge {
namespace {

TEST_CASE("the judge proves itself on unmasked sound") {
  std::string text;
  const bool good = SelfTest(&text);
  INFO(text);
  CHECK(good);
}

TEST_CASE("digits are printed only when asked for") {
  std::vector<int16_t> sound(16000);
  dsp::AddKeys(sound, 1600, "4711", 640, 640);
  CHECK(ReportSound(sound, "x", {}).find("4711") == std::string::npos);
  CHECK(ReportSound(sound, "x", {}).find("\"keys\":4") != std::string::npos);
  CHECK(ReportSound(sound, "x", {.digits = true}).find("4711") != std::string::npos);
}

TEST_CASE("another sound is not aligned, silence has no speech") {
  std::vector<int16_t> a(16000), b(16000), silence(16000);
  dsp::AddNoise(a, -20, 1);
  dsp::AddNoise(b, -20, 2);
  CHECK_FALSE(Compare(a, b, {}).aligned);
  CHECK(Compare(a, b, {.delay = 0}).identical_percent() == 0);
  CHECK(Compare(silence, silence, {.delay = 0}).speech_frames == 0);
}

TEST_CASE("frames that moved count within the slack only") {
  std::vector<int16_t> a(16000);
  dsp::AddNoise(a, -20, 1);
  std::vector<int16_t> b(a.begin() + 3, a.end());
  b.resize(16000);
  CHECK(Compare(a, b, {.delay = 0}).identical_frames == 0);
  CHECK(Compare(a, b, {.delay = 0, .slack = 5}).identical_percent() > 95);
}

}  // namespace
}  // namespace flattone::judge
