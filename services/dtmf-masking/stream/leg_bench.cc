// µs for one 20 ms frame: the whole leg (decode, both detectors, masks, answer), its parts, and spandsp's
// receiver on the same sound in the same run.
#include <benchmark/benchmark.h>
#include <spandsp.h>

#include <array>
#include <vector>

#include "libs/dsp/dtmf.h"
#include "libs/dsp/g711.h"
#include "services/dtmf-masking/detect/digit_detector.h"
#include "services/dtmf-masking/detect/tone_detector.h"
#include "services/dtmf-masking/stream/leg.h"

namespace flattone::masking {
namespace {

constexpr int kFrames = 500;

// Ten seconds: a voice-like buzz over noise, and a key every half second when `keys`.
std::vector<int16_t> Sound(bool keys) {
  std::vector<int16_t> sound(kFrames * 160);
  dsp::AddNoise(sound, -45, 5);
  for (int harmonic = 1; harmonic < 20; ++harmonic) {
    dsp::AddSine(sound, 0, static_cast<int64_t>(sound.size()), 143.0 * harmonic, -20 - 1.5 * harmonic, harmonic);
  }
  if (keys) dsp::AddKeys(sound, 1000, "4929123456789012345", 800, 3200);
  return sound;
}

std::vector<uint8_t> Coded(const std::vector<int16_t>& sound) {
  std::vector<uint8_t> coded(sound.size());
  dsp::Encode(dsp::Law::kMu, sound, coded);
  return coded;
}

void PerFrame(benchmark::State& state) {
  state.counters["s_per_frame"] = benchmark::Counter(static_cast<double>(state.iterations()) * kFrames,
                                                     benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void BM_Leg(benchmark::State& state) {
  const std::vector<uint8_t> coded = Coded(Sound(state.range(0) != 0));
  std::array<uint8_t, Leg::kMostSamples> out;
  Leg leg({});
  uint32_t timestamp = 0;
  for (auto _ : state) {
    for (int f = 0; f < kFrames; ++f, timestamp += 160) {
      Leg::Report report;
      benchmark::DoNotOptimize(leg.Take({.timestamp = timestamp, .payload = std::span(coded).subspan(f * 160, 160)}, out, report));
    }
  }
  PerFrame(state);
}
BENCHMARK(BM_Leg)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

void BM_ToneDetector(benchmark::State& state) {
  const std::vector<int16_t> sound = Sound(false);
  const auto detector = MakeTrainedDetector();
  for (auto _ : state) {
    for (size_t at = 0; at < sound.size(); at += kHop) {
      benchmark::DoNotOptimize(detector->Push(std::span(sound).subspan(at, kHop), kHop));
    }
  }
  PerFrame(state);
}
BENCHMARK(BM_ToneDetector)->Unit(benchmark::kMicrosecond);

void BM_DigitDetector(benchmark::State& state) {
  const std::vector<int16_t> sound = Sound(false);
  DigitDetector detector;
  for (auto _ : state) {
    for (size_t at = 0; at < sound.size(); at += kHop) {
      benchmark::DoNotOptimize(detector.Push(std::span(sound).subspan(at, kHop), kHop));
    }
  }
  PerFrame(state);
}
BENCHMARK(BM_DigitDetector)->Unit(benchmark::kMicrosecond);

void BM_Spandsp(benchmark::State& state) {
  const std::vector<uint8_t> coded = Coded(Sound(state.range(0) != 0));
  dtmf_rx_state_t* rx = dtmf_rx_init(nullptr, nullptr, nullptr);
  std::array<int16_t, 160> sound;
  std::array<char, 128> digits;
  for (auto _ : state) {
    for (int f = 0; f < kFrames; ++f) {
      dsp::Decode(dsp::Law::kMu, std::span(coded).subspan(f * 160, 160), sound);
      dtmf_rx(rx, sound.data(), 160);
    }
    dtmf_rx_get(rx, digits.data(), 127);
  }
  dtmf_rx_free(rx);
  PerFrame(state);
}
BENCHMARK(BM_Spandsp)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace flattone::masking

BENCHMARK_MAIN();
