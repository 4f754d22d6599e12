// The sixteen keys of ITU-T Q.23 and a generator that bends them: level, twist, frequency offset, ramps.
// Used by tests, tools/call and tools/judge; the masker itself uses the frequencies only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace flattone::dsp {

inline constexpr std::array<double, 4> kRowHz = {697, 770, 852, 941};
inline constexpr std::array<double, 4> kColumnHz = {1209, 1336, 1477, 1633};
inline constexpr std::string_view kKeypad = "123A456B789C*0#D";  // row by row

constexpr char SymbolAt(int row, int column) { return kKeypad[row * 4 + column]; }
// 0..15 in kKeypad, or nullopt for what is no key.
std::optional<int> KeypadIndex(char symbol);
// RFC 4733 event code (0-9, 10 '*', 11 '#', 12-15 'A'-'D') of a key and back.
std::optional<uint8_t> EventOfSymbol(char symbol);
std::optional<char> SymbolOfEvent(uint8_t event);

struct KeyTone {
  char symbol = '1';
  double low_dbm0 = -10;       // level of the row tone
  double twist_db = 0;         // column tone against row tone
  double offset_percent = 0;   // both frequencies
  int ramp_samples = 0;        // raised-cosine rise and fall, inside the duration
  double low_phase = 0;        // radians
  double high_phase = 1;
};
// Adds the tone to out[at, at + duration), saturating; what lies outside is left out.
// A symbol that is no key adds nothing.
void AddKey(std::span<int16_t> out, int64_t at, int64_t duration, const KeyTone& tone);
// Adds one sine.
void AddSine(std::span<int16_t> out, int64_t at, int64_t duration, double hz, double dbm0, double phase = 0);
// Adds white noise of a level, from a seed.
void AddNoise(std::span<int16_t> out, double dbm0, uint64_t seed);

// Adds a row of keys, each `on` samples long and `off` apart, first at `at`; returns the onsets.
std::vector<int64_t> AddKeys(std::span<int16_t> out, int64_t at, std::string_view symbols, int64_t on, int64_t off,
                             KeyTone tone = {});

}  // namespace flattone::dsp
