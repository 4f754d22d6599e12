#include "tools/judge/self_test.h"

#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/dsp/dtmf.h"
#include "libs/dsp/g711.h"
#include "tools/judge/compare.h"
#include "tools/judge/decoders.h"
#include "tools/judge/flat_tones.h"

namespace flattone::judge {
namespace {

constexpr int64_t kSamples = 8000 * 8;

std::vector<int16_t> Line(double noise_dbm0) {
  std::vector<int16_t> sound(kSamples);
  dsp::AddNoise(sound, noise_dbm0, 11);
  return sound;
}

void OverTheLine(std::vector<int16_t>& sound) {
  for (int16_t& s : sound) s = dsp::Decode(dsp::Law::kMu, dsp::Encode(dsp::Law::kMu, s));
}

}  // namespace

bool SelfTest(std::string* text) {
  bool good = true;
  const auto check = [&](bool ok, const std::string& what) {
    absl::StrAppend(text, ok ? "ok    " : "FAIL  ", what, "\n");
    good = good && ok;
  };
  std::vector<int16_t> keys = Line(-50);
  dsp::AddKeys(keys, 3200, dsp::kKeypad, 640, 960);
  OverTheLine(keys);
  std::string heard;
  for (const HeardKey& key : AskSpandsp(keys)) heard += key.symbol;
  check(heard == dsp::kKeypad, "spandsp hears all 16 keys in unmasked sound");
  std::vector<int16_t> none = Line(-30);
  check(AskSpandsp(none).empty(), "spandsp hears no key in noise");
  const std::optional<std::string> multimon = AskMultimon(keys);
  if (multimon) {
    check(*multimon == dsp::kKeypad, "multimon-ng hears all 16 keys in unmasked sound");
    check(AskMultimon(none).value_or("failed").empty(), "multimon-ng hears no key in noise");
  } else {
    absl::StrAppend(text, "skip  multimon-ng is not installed\n");
  }
  std::vector<int16_t> flat = Line(-60);
  for (int i = 0; i < 20; ++i) dsp::AddSine(flat, 1600 + i * 640, 480, 425, -16);
  OverTheLine(flat);
  check(FindFlatTones(flat, 425).size() == 20, "20 flat tones, 20 ms apart, are 20");
  check(FindFlatTones(keys, 425).empty() && FindFlatTones(none, 425).empty(), "keys and noise are no flat tone");
  std::vector<int16_t> agent(123);
  agent.insert(agent.end(), none.begin(), none.end());
  const Comparison same = Compare(none, agent, {});
  check(same.aligned && same.delay == 123 && same.identical_frames == same.speech_frames && same.speech_frames > 300,
        "a sound 123 samples later is the same sound");
  for (int i = 0; i < 8; ++i) agent[123 + 160 * 20 * i + 77] ^= 1;
  const Comparison changed = Compare(none, agent, {});
  check(changed.speech_frames - changed.identical_frames == 8, "eight changed samples are eight changed frames");
  return good;
}

}  // namespace flattone::judge
