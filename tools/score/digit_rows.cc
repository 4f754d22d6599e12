#include <algorithm>
#include <cmath>

#include "libs/dsp/g711.h"
#include "services/dtmf-masking/detect/digit_detector.h"
#include "services/dtmf-masking/stream/leg_rig.h"
#include "tools/score/score.h"

namespace flattone::score {
namespace {

using masking::kHop;

struct Range {
  double from, to;
};
struct Limits {
  Range level = {-25, -1}, twist = {-8, 4}, offset = {-1.5, 1.5}, snr = {15, 40}, length_ms = {40, 100};
  bool either_sign = false;  // of the offset
};

struct Result {
  int keys = 0, right = 0, wrong = 0, more = 0, spandsp_right = 0, spandsp_heard = 0;
};

std::string Ours(std::span<const int16_t> sound) {
  masking::DigitDetector detector;
  std::string keys;
  for (size_t at = 0; at + kHop <= sound.size(); at += kHop) {
    if (const auto started = detector.Push(sound.subspan(at, kHop), kHop)) keys += dsp::kKeypad[started->key];
  }
  return keys;
}

// One key in a sound of its own: before it 100 ms, behind it 80.
Result Try(const Limits& limits, int keys, uint32_t seed) {
  Draw draw(seed);
  Result r{.keys = keys};
  for (int i = 0; i < keys; ++i) {
    const auto in = [&](const Range& range) { return draw.Uniform(range.from, range.to); };
    dsp::KeyTone tone{.symbol = dsp::kKeypad[draw.Whole(16)], .twist_db = in(limits.twist), .offset_percent = in(limits.offset),
                      .low_phase = draw.Uniform(0, 6.28), .high_phase = draw.Uniform(0, 6.28)};
    if (limits.either_sign && draw.Whole(2) == 1) tone.offset_percent = -tone.offset_percent;
    tone.low_dbm0 = in(limits.level) - std::max(0.0, tone.twist_db) - 1.5;
    const double total = tone.low_dbm0 + 10 * std::log10(1 + std::pow(10, tone.twist_db / 10));
    const int before = 800 + draw.Whole(160), length = static_cast<int>(std::lround(8 * in(limits.length_ms)));
    std::vector<int16_t> sound((before + length + 640) / 160 * 160 + 160);
    dsp::AddNoise(sound, total - in(limits.snr), seed * 31337u + i);
    dsp::AddKey(sound, before, length, tone);
    for (int16_t& s : sound) s = dsp::Decode(dsp::Law::kMu, dsp::Encode(dsp::Law::kMu, s));
    const std::string ours = Ours(sound), theirs = masking::HeardBySpandsp(sound);
    r.right += ours == std::string(1, tone.symbol);
    r.wrong += !ours.empty() && ours != std::string(1, tone.symbol);
    r.spandsp_right += theirs == std::string(1, tone.symbol);
    r.spandsp_heard += !theirs.empty();
  }
  return r;
}

void Accepted(const std::string& row, const Limits& limits, int keys, uint32_t seed) {
  const Result r = Try(limits, keys, seed);
  Row("digits", row, "keys", r.keys);
  Row("digits", row, "right %", 100.0 * r.right / r.keys);
  Row("digits", row, "missed or wrong", r.keys - r.right);
  Row("digits", row, "spandsp right %", 100.0 * r.spandsp_right / r.keys);
}

void Rejected(const std::string& row, const Limits& limits, int keys, uint32_t seed) {
  const Result r = Try(limits, keys, seed);
  Row("rejected", row, "keys", r.keys);
  Row("rejected", row, "rejected %", 100.0 * (r.keys - r.right - r.wrong) / r.keys);
  Row("rejected", row, "spandsp rejects %", 100.0 * (r.keys - r.spandsp_heard) / r.keys);
}

}  // namespace

void DigitRows(int keys) {
  Accepted("within Q.24", {}, 5 * keys, 1);
  Accepted("at the edge of Q.24: 40 ms and 1.5 % and SNR 15 dB", {.offset = {1.5, 1.5}, .snr = {15, 15}, .length_ms = {40, 40}, .either_sign = true}, keys, 2);
  uint32_t seed = 10;
  for (const double snr : {12.0, 10.0, 8.0, 6.0}) {
    Accepted("SNR " + std::to_string(static_cast<int>(snr)) + " dB", {.level = {-12, -12}, .twist = {0, 0}, .offset = {0, 0}, .snr = {snr, snr}, .length_ms = {60, 60}}, keys, seed++);
  }
  Accepted("1.5 % on both tones", {.level = {-12, -12}, .twist = {0, 0}, .offset = {1.5, 1.5}, .snr = {40, 40}, .length_ms = {60, 60}, .either_sign = true}, keys, seed++);
  for (const double ms : {30.0, 33.0, 36.0, 40.0}) {
    Accepted(std::to_string(static_cast<int>(ms)) + " ms", {.level = {-12, -12}, .twist = {0, 0}, .offset = {0, 0}, .snr = {40, 40}, .length_ms = {ms, ms}}, keys, seed++);
  }
  Rejected("3.5 to 6 % on both tones", {.twist = {-4, 4}, .offset = {3.5, 6}, .either_sign = true}, keys, seed++);
  Rejected("10 to 23 ms", {.twist = {-4, 4}, .length_ms = {10, 23}}, keys, seed++);
  Rejected("23 ms", {.twist = {0, 0}, .offset = {0, 0}, .length_ms = {23, 23}}, keys, seed++);
}

}  // namespace flattone::score
