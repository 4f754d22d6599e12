// Does the agent hear the caller's voice as it was? Frame by frame, sample for sample, outside of keys.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace flattone::judge {

struct CompareOptions {
  // How many samples later the agent's recording holds the caller's sound; nullopt: found.
  std::optional<int64_t> delay;
  int64_t most_delay = 8000;      // searched when `delay` is absent
  int64_t slack = 0;              // a frame may lie that many samples off (clock drift, moved packets)
  double speech_dbm0 = -40;       // frames below are not speech
  double flat_tone_hz = 425;
};

struct Comparison {
  bool aligned = false;     // a delay was given or found
  int64_t delay = 0;
  int64_t speech_frames = 0;     // 20 ms, outside of keys and flat tones
  int64_t identical_frames = 0;  // every sample equal
  int64_t key_frames = 0;        // left out: a key of the caller, or a flat tone of the agent, within 100 ms
  double identical_percent() const {
    return speech_frames == 0 ? 0 : 100.0 * static_cast<double>(identical_frames) / static_cast<double>(speech_frames);
  }
};

Comparison Compare(std::span<const int16_t> caller, std::span<const int16_t> agent, const CompareOptions& options);

}  // namespace flattone::judge
