#include "tools/judge/report.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <boost/json.hpp>

#include "libs/dsp/level.h"
#include "tools/judge/decoders.h"
#include "tools/judge/flat_tones.h"

namespace flattone::judge {
namespace {

namespace json = boost::json;

double Millis(int64_t samples) { return static_cast<double>(samples) * 1000 / dsp::kSampleRate; }

json::object Spandsp(std::span<const int16_t> sound, bool digits) {
  const std::vector<HeardKey> keys = AskSpandsp(sound);
  json::array at;
  std::string symbols;
  for (const HeardKey& key : keys) {
    at.push_back(Millis(key.onset));
    symbols += key.symbol;
  }
  json::object answer{{"keys", keys.size()}, {"at_ms", std::move(at)}};
  if (digits) answer["digits"] = symbols;
  return answer;
}

json::object Multimon(std::span<const int16_t> sound, bool digits) {
  const std::optional<std::string> heard = AskMultimon(sound);
  if (!heard) return {{"available", false}};
  json::object answer{{"available", true}, {"keys", heard->size()}};
  if (digits) answer["digits"] = *heard;
  return answer;
}

}  // namespace

std::string ReportSound(std::span<const int16_t> sound, const std::string& name, const ReportOptions& options) {
  json::array tones;
  int64_t longest = 0;
  for (const FlatToneHeard& tone : FindFlatTones(sound, options.flat_tone_hz)) {
    tones.push_back(json::object{{"at_ms", Millis(tone.onset)}, {"ms", Millis(tone.length)}});
    longest = std::max(longest, tone.length);
  }
  const json::object report{{"file", name},
                            {"seconds", static_cast<double>(sound.size()) / dsp::kSampleRate},
                            {"level_dbm0", dsp::Dbm0OfPower(dsp::MeanSquare(sound))},
                            {"spandsp", Spandsp(sound, options.digits)},
                            {"multimon", Multimon(sound, options.digits)},
                            {"flat_tones", json::object{{"count", tones.size()}, {"longest_ms", Millis(longest)}, {"tones", std::move(tones)}}}};
  return json::serialize(report);
}

std::string ReportComparison(const Comparison& c) {
  const json::object report{{"aligned", c.aligned},
                            {"delay_samples", c.delay},
                            {"speech_frames", c.speech_frames},
                            {"identical_frames", c.identical_frames},
                            {"identical_percent", c.identical_percent()},
                            {"key_frames", c.key_frames}};
  return json::serialize(report);
}

}  // namespace flattone::judge
