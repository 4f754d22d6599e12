// Figures of the masker's detectors, measured with the masker's own leg over arrays, beside spandsp in the same run.
// Called by tools/score-detector, which prepares the voices and writes the page.
#pragma once

#include <cstdint>
#include <cstdio>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "libs/dsp/dtmf.h"

namespace flattone::score {

struct Voice {
  std::string name;
  std::vector<int16_t> sound;
};

// One line of the result: comma-separated, no comma within.
inline void Row(const std::string& group, const std::string& row, const std::string& figure, double value) {
  std::printf("%s,%s,%s,%.6g\n", group.c_str(), row.c_str(), figure.c_str(), value);
  std::fflush(stdout);
}

// What is drawn is drawn from the row's own seed.
class Draw {
 public:
  explicit Draw(uint32_t seed) : state_(seed * 2654435761u + 12345) {}
  double Uniform(double from, double to) { return from + (to - from) * Next() / 4294967296.0; }
  int Whole(int below) { return static_cast<int>(Uniform(0, below)); }

 private:
  uint32_t Next() {  // xorshift: the same on every machine
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
  }
  uint32_t state_;
};

// Speech and music without keys: share of active frames altered, keys that nobody pressed.
void SpeechRows(const std::string& group, std::span<const Voice> voices);
// Keys: how many leave open samples, and what an attacker who knows each key's time makes of them.
void LeakRows(std::span<const Voice> voices, int keys_a_row);
// Digits within and beyond Q.24.
void DigitRows(int keys_a_row);
// Microseconds per frame.
void TimeRows(std::span<const Voice> voices);

}  // namespace flattone::score
