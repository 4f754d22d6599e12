#include "tools/callbox/keys.h"

#include <array>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace flattone::call {
namespace {

constexpr std::string_view kKeys = "0123456789*#ABCD";
constexpr std::array<double, 4> kLow = {697, 770, 852, 941};
constexpr std::array<double, 4> kHigh = {1209, 1336, 1477, 1633};
constexpr std::string_view kPad = "123A456B789C*0#D";  // rows and columns of the keypad

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

absl::StatusOr<KeyPress> ParseLine(const std::vector<std::string>& words, int line, const KeyStyle& style) {
  KeyPress press{.length = style.length_ms * (kRate / 1000), .low_dbm0 = style.low_dbm0,
                 .high_dbm0 = style.high_dbm0, .mix = style.mix};
  int at_ms = 0, length_ms = style.length_ms;
  const auto bad = [line](const char* what) {
    return absl::InvalidArgumentError(absl::StrCat("key script, line ", line, ": ", what,
                                                   "; a line is AT_MS KEY [LENGTH_MS [LOW_DBM0 [HIGH_DBM0]]]"));
  };
  if (words.size() < 2 || words.size() > 5) return bad("wrong number of words");
  if (!absl::SimpleAtoi(words[0], &at_ms) || at_ms < 0 || at_ms > 3600000) return bad("AT_MS must be 0 to 3600000");
  if (words[1].size() != 1 || EventCode(words[1][0]) < 0) return bad("KEY must be one of 0-9 * # A-D");
  press.key = words[1][0];
  press.at = static_cast<int64_t>(at_ms) * (kRate / 1000);
  if (words.size() > 2 && (!absl::SimpleAtoi(words[2], &length_ms) || length_ms < 1 || length_ms > 60000))
    return bad("LENGTH_MS must be 1 to 60000");
  press.length = static_cast<int64_t>(length_ms) * (kRate / 1000);
  if (words.size() > 3 && (!absl::SimpleAtod(words[3], &press.low_dbm0) || press.low_dbm0 > 0 || press.low_dbm0 < -60))
    return bad("LOW_DBM0 must be -60 to 0");
  if (words.size() > 3) press.high_dbm0 = press.low_dbm0;
  if (words.size() > 4 &&
      (!absl::SimpleAtod(words[4], &press.high_dbm0) || press.high_dbm0 > 0 || press.high_dbm0 < -60))
    return bad("HIGH_DBM0 must be -60 to 0");
  return press;
}

}  // namespace

int EventCode(char key) {
  const size_t at = kKeys.find(key);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

char EventKey(int code) { return code >= 0 && code < 16 ? kKeys[static_cast<size_t>(code)] : '?'; }

absl::StatusOr<std::vector<KeyPress>> Sequence(std::string_view keys, const KeyStyle& style) {
  std::vector<KeyPress> presses;
  int64_t at = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (EventCode(keys[i]) < 0)
      return absl::InvalidArgumentError(absl::StrCat("key ", i + 1, " of ", keys.size(), " is none of 0-9 * # A-D"));
    presses.push_back({.key = keys[i], .at = at, .length = style.length_ms * (kRate / 1000),
                       .low_dbm0 = style.low_dbm0, .high_dbm0 = style.high_dbm0, .mix = style.mix});
    at += (style.length_ms + style.gap_ms) * (kRate / 1000);
  }
  return presses;
}

absl::StatusOr<std::vector<KeyPress>> ParseKeyScript(std::string_view text, const KeyStyle& style) {
  std::vector<KeyPress> presses;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(Abseil(text), '\n')) {
    ++number;
    const std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty() || words[0].rfind("//", 0) == 0) continue;
    absl::StatusOr<KeyPress> press = ParseLine(words, number, style);
    if (!press.ok()) return press.status();
    if (!presses.empty() && press->at < presses.back().at + presses.back().length)
      return absl::InvalidArgumentError(
          absl::StrCat("key script, line ", number, ": starts before the key above it has ended"));
    presses.push_back(*press);
  }
  return presses;
}

double PeakOf(double dbm0) { return 32124.0 * std::pow(10.0, (dbm0 - 3.17) / 20.0); }

Tone::Tone(char key, double low_dbm0, double high_dbm0) {
  const size_t at = kPad.find(key);
  if (at == std::string_view::npos) return;
  low_step_ = 2 * M_PI * kLow[at / 4] / kRate;
  high_step_ = 2 * M_PI * kHigh[at % 4] / kRate;
  low_peak_ = PeakOf(low_dbm0);
  high_peak_ = PeakOf(high_dbm0);
}

double Tone::At(int64_t n) const {
  return low_peak_ * std::sin(low_step_ * static_cast<double>(n)) +
         high_peak_ * std::sin(high_step_ * static_cast<double>(n));
}

}  // namespace flattone::call
