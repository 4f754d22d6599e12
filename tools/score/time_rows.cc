#include <spandsp.h>
#undef SAMPLE_RATE

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>

#include "libs/dsp/g711.h"
#include "services/dtmf-masking/detect/digit_detector.h"
#include "services/dtmf-masking/detect/tone_detector.h"
#include "services/dtmf-masking/stream/leg.h"
#include "tools/score/score.h"

namespace flattone::score {
namespace {

using masking::kHop;
constexpr size_t kFrame = 160;

// Two minutes of speech, a key of 100 ms every 2 s, as codewords.
std::vector<uint8_t> Line(std::span<const Voice> voices) {
  std::vector<int16_t> sound;
  for (const Voice& v : voices) sound.insert(sound.end(), v.sound.begin(), v.sound.begin() + std::min<int64_t>(v.sound.size(), 8000 * 24));
  sound.resize(sound.size() / kFrame * kFrame);
  for (size_t at = 1000, i = 0; at + 800 < sound.size(); at += 16000, ++i) {
    dsp::AddKey(sound, static_cast<int64_t>(at + i * 37 % 160), 800, {.symbol = dsp::kKeypad[i % 16]});
  }
  std::vector<uint8_t> coded(sound.size());
  dsp::Encode(dsp::Law::kMu, sound, coded);
  return coded;
}

// The least of several turns, one after the other by the caller: what else runs here only adds.
class Watch {
 public:
  void Time(size_t frames, const std::function<void()>& work) {
    const auto began = std::chrono::steady_clock::now();
    work();
    const double us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - began).count();
    least_ = std::min(least_, us / static_cast<double>(frames));
  }
  double us() const { return least_; }

 private:
  double least_ = 1e9;
};

}  // namespace

void TimeRows(std::span<const Voice> voices) {
  const std::vector<uint8_t> coded = Line(voices);
  const size_t frames = coded.size() / kFrame;
  Watch spandsp, mask, digit, leg_watch;
  for (int turn = 0; turn < 7; ++turn) {
    std::array<int16_t, kFrame> sound;
    spandsp.Time(frames, [&] {
      dtmf_rx_state_t* rx = dtmf_rx_init(nullptr, nullptr, nullptr);
      std::array<char, 128> digits;
      for (size_t at = 0; at < coded.size(); at += kFrame) {
        dsp::Decode(dsp::Law::kMu, std::span(coded).subspan(at, kFrame), sound);
        dtmf_rx(rx, sound.data(), kFrame);
        dtmf_rx_get(rx, digits.data(), 127);
      }
      dtmf_rx_free(rx);
    });
    const auto by_hop = [&](const std::function<void(std::span<const int16_t>)>& push) {
      for (size_t at = 0; at < coded.size(); at += kFrame) {
        dsp::Decode(dsp::Law::kMu, std::span(coded).subspan(at, kFrame), sound);
        for (size_t h = 0; h < kFrame; h += kHop) push(std::span(sound).subspan(h, kHop));
      }
    };
    mask.Time(frames, [&] {
      const auto detector = masking::MakeTrainedDetector();
      by_hop([&](std::span<const int16_t> hop) { detector->Push(hop, kHop); });
    });
    digit.Time(frames, [&] {
      masking::DigitDetector detector;
      by_hop([&](std::span<const int16_t> hop) { detector.Push(hop, kHop); });
    });
    leg_watch.Time(frames, [&] {
      masking::Leg leg({});
      std::array<uint8_t, masking::Leg::kMostSamples> out;
      for (size_t at = 0; at < coded.size(); at += kFrame) {
        masking::Leg::Report report;
        leg.Take({.timestamp = static_cast<uint32_t>(at), .payload = std::span(coded).subspan(at, kFrame)}, out, report);
      }
    });
  }
  const std::string row = "20 ms of speech with a key every 2 s";
  Row("time", row, "spandsp us", spandsp.us());
  Row("time", row, "mask decision us", mask.us());
  Row("time", row, "digit detection us", digit.us());
  Row("time", row, "both over spandsp", (mask.us() + digit.us()) / spandsp.us());
  Row("time", row, "digit detection over spandsp", digit.us() / spandsp.us());
  Row("time", row, "whole leg us", leg_watch.us());
}

}  // namespace flattone::score
