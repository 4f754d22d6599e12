#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <functional>
#include <numbers>
#include <optional>

#include "libs/dsp/g711.h"
#include "libs/dsp/level.h"
#include "services/dtmf-masking/stream/leg_rig.h"
#include "tools/score/score.h"

namespace flattone::score {
namespace {

using masking::LegRig;

constexpr int kLookahead = 160;
constexpr int kOpenSamples = 4;  // half a millisecond of a clean tone already tells

struct Pressed {
  int64_t onset, length;
  int key;
};
struct Scene {
  std::vector<int16_t> sound;
  std::vector<Pressed> keys;
};
struct Bent {  // how a row's keys are made
  double level_low = -12, level_high = -12, twist = 0, offset = 0, noise_snr = 0;  // noise_snr 0: a quiet line
  int length_low = 320, length_high = 960, ramp = 0;
  bool all_at_once = false;
};

dsp::KeyTone Tone(Draw& draw, const Bent& bent, int key) {
  dsp::KeyTone tone{.symbol = dsp::kKeypad[key], .ramp_samples = bent.ramp, .low_phase = draw.Uniform(0, 6.28), .high_phase = draw.Uniform(0, 6.28)};
  tone.twist_db = bent.all_at_once ? draw.Uniform(-bent.twist, bent.twist) : bent.twist;
  tone.offset_percent = bent.all_at_once ? draw.Uniform(-bent.offset, bent.offset) : bent.offset;
  tone.low_dbm0 = draw.Uniform(bent.level_low, bent.level_high) - std::max(0.0, tone.twist_db);
  return tone;
}

Scene OverNoise(const Bent& bent, int keys, uint32_t seed) {
  Draw draw(seed);
  Scene scene;
  for (int i = 0; i < keys; ++i) {
    const int length = bent.length_low + draw.Whole(bent.length_high - bent.length_low + 1);
    const int before = 800 + draw.Whole(800), after = 1600 + draw.Whole(160);
    const int key = draw.Whole(16);
    const dsp::KeyTone tone = Tone(draw, bent, key);
    std::vector<int16_t> part(before + length + after);
    const double total = tone.low_dbm0 + 10 * std::log10(1 + std::pow(10, tone.twist_db / 10));
    dsp::AddNoise(part, bent.noise_snr != 0 ? total - bent.noise_snr : -65, seed * 7919u + i);
    dsp::AddKey(part, before, length, tone);
    scene.keys.push_back({static_cast<int64_t>(scene.sound.size()) + before, length, key});
    scene.sound.insert(scene.sound.end(), part.begin(), part.end());
  }
  return scene;
}

// Keys over running speech, `ratio` dB above what is spoken under each of them.
Scene OverSpeech(std::span<const Voice> voices, double ratio, int keys, uint32_t seed) {
  Draw draw(seed);
  Scene scene;
  for (size_t v = 0; v < voices.size(); ++v) {
    const size_t most = (v + 1) * keys / voices.size();
    const std::vector<int16_t>& voice = voices[v].sound;
    const int64_t base = static_cast<int64_t>(scene.sound.size());
    std::vector<int16_t> sound = voice;
    int64_t at = 4000;
    while (scene.keys.size() < most && at + 8000 < static_cast<int64_t>(sound.size())) {
      const int length = 320 + draw.Whole(641);
      const double speech = dsp::Dbm0OfPower(dsp::MeanSquare(std::span(voice).subspan(at, length)));
      const double low = speech + ratio - 3;
      if (speech < -35 || low > -3) {
        at += 400;
        continue;
      }
      const int key = draw.Whole(16);
      dsp::AddKey(sound, at, length, {.symbol = dsp::kKeypad[key], .low_dbm0 = low, .twist_db = draw.Uniform(-2, 2),
                                      .offset_percent = draw.Uniform(-1.5, 1.5), .low_phase = draw.Uniform(0, 6.28)});
      scene.keys.push_back({base + at, length, key});
      at += length + 2400 + draw.Whole(1600);
    }
    sound.resize(std::min<size_t>(sound.size(), at + 1600) / 160 * 160);
    scene.sound.insert(scene.sound.end(), sound.begin(), sound.end());
  }
  return scene;
}

double Projected(std::span<const int16_t> sound, std::span<const bool> open, double hz) {
  std::complex<double> sum = 0;
  const std::complex<double> step = std::polar(1.0, -2 * std::numbers::pi * hz / 8000);
  std::complex<double> turn = 1;
  for (size_t i = 0; i < sound.size(); ++i, turn *= step) {
    if (open[i]) sum += turn * static_cast<double>(sound[i]);
  }
  return std::norm(sum);
}

// Who knows onset and length to the sample: the strongest row and column in what leaves unmasked.
int Guess(std::span<const int16_t> sound, std::span<const bool> open, double widest_offset) {
  const auto best = [&](const std::array<double, 4>& hz) {
    int found = 0;
    double most = -1;
    for (int i = 0; i < 4; ++i) {
      for (double o = -widest_offset; o <= widest_offset + 1e-9; o += 0.5) {
        const double power = Projected(sound, open, hz[i] * (1 + o / 100));
        if (power > most) {
          most = power;
          found = i;
        }
      }
    }
    return found;
  };
  const int row = best(dsp::kRowHz);
  return row * 4 + best(dsp::kColumnHz);
}

void Judge(const std::string& row, const Scene& scene, double widest_offset) {
  LegRig rig;
  rig.Play(rig.Cut(scene.sound));
  std::vector<uint8_t> open(scene.sound.size());
  for (const LegRig::Left& left : rig.left()) {
    for (int64_t i = std::max<int64_t>(0, left.at - kLookahead); !left.altered && i < left.at - kLookahead + left.size; ++i) open[i] = 1;
  }
  int leaves = 0, recovered = 0, all_open = 0;
  for (const Pressed& p : scene.keys) {
    if (p.onset + p.length + kLookahead > static_cast<int64_t>(rig.out().size())) continue;
    std::array<bool, 4096> mine{};
    int samples = 0;
    for (int64_t i = 0; i < p.length; ++i) samples += mine[i] = open[p.onset + i] != 0;
    if (samples <= kOpenSamples) continue;
    ++leaves;
    all_open += samples == p.length;
    const auto sound = std::span(rig.out()).subspan(p.onset + kLookahead, p.length);
    recovered += Guess(sound, std::span(mine).first(p.length), widest_offset) == p.key;
  }
  const auto keys = static_cast<double>(scene.keys.size());
  Row("leak", row, "keys", keys);
  Row("leak", row, "keys with open samples %", 100 * leaves / keys);
  Row("leak", row, "keys wholly open %", 100 * all_open / keys);
  Row("leak", row, "attacker reads %", 100 * (recovered + (keys - leaves) / 16) / keys);
  Row("leak", row, "spandsp hears", static_cast<double>(masking::HeardBySpandsp(rig.out()).size()));
}

}  // namespace

void LeakRows(std::span<const Voice> voices, int keys) {
  const std::vector<std::pair<const char*, Bent>> rows = {
      {"0 dBm0", {.level_low = -3.1, .level_high = -3.1}},
      {"-20 dBm0", {.level_low = -20, .level_high = -20}},
      {"-36 dBm0", {.level_low = -36, .level_high = -36}},
      {"-42 dBm0", {.level_low = -42, .level_high = -42}},
      {"twist +10 dB", {.twist = 10}},
      {"twist -10 dB", {.twist = -10}},
      {"twist +12 dB", {.twist = 12}},
      {"twist -12 dB", {.twist = -12}},
      {"offset +3.5 %", {.offset = 3.5}},
      {"offset -3.5 %", {.offset = -3.5}},
      {"SNR 10 dB", {.noise_snr = 10}},
      {"SNR 6 dB", {.noise_snr = 6}},
      {"SNR 3 dB", {.noise_snr = 3}},
      {"20 to 30 ms", {.length_low = 160, .length_high = 240}},
      {"ramp 15 ms", {.length_low = 480, .ramp = 120}},
      {"all at once", {.level_low = -40, .level_high = -6, .twist = 10, .offset = 3.5, .noise_snr = 6, .length_low = 240, .length_high = 800, .all_at_once = true}},
  };
  uint32_t seed = 4001;
  for (const auto& [name, bent] : rows) Judge(std::string("tone ") + name, OverNoise(bent, keys, seed++), std::abs(bent.offset));
  for (const int ratio : {20, 10, 6, 0, -6, -12}) {
    Judge("tone " + std::to_string(ratio) + " dB over speech", OverSpeech(voices, ratio, keys, seed++), 1.5);
  }
}

}  // namespace flattone::score
