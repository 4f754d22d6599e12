// Key presses: what is pressed when, how long and how loud, and the sound that a telephone makes of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace flattone::call {

inline constexpr int kRate = 8000;  // samples a second

enum class KeyTransport { kInband, kRfc4733, kBoth };

// How keys are pressed where a script says no more.
struct KeyStyle {
  int length_ms = 100;
  int gap_ms = 100;
  double low_dbm0 = -9;   // level of the low-group tone
  double high_dbm0 = -9;  // level of the high-group tone
  bool mix = false;       // over the caller's voice; false: the telephone cuts the microphone while a key is down
};

struct KeyPress {
  char key = '0';         // 0-9 * # A-D
  int64_t at = 0;         // samples after the start of the script
  int64_t length = 800;   // samples
  double low_dbm0 = -9;
  double high_dbm0 = -9;
  bool mix = false;
};

// Index of RFC 4733 (0-9, * 10, # 11, A-D 12-15), or -1 if `key` is none.
int EventCode(char key);
char EventKey(int code);  // '?' if none

// Keys one after the other in one style. INVALID_ARGUMENT names the position of a wrong one, never its neighbours.
absl::StatusOr<std::vector<KeyPress>> Sequence(std::string_view keys, const KeyStyle& style);

// A script: one key per line, `AT_MS KEY [LENGTH_MS [LOW_DBM0 [HIGH_DBM0]]]`, times from the script's start, rising;
// empty lines and lines that start with // are skipped.
absl::StatusOr<std::vector<KeyPress>> ParseKeyScript(std::string_view text, const KeyStyle& style);

// Adds (or, without mix, writes) one sample of the key's tone; `n` counts from the key's onset.
class Tone {
 public:
  Tone() = default;
  Tone(char key, double low_dbm0, double high_dbm0);
  double At(int64_t n) const;

 private:
  double low_step_ = 0, high_step_ = 0, low_peak_ = 0, high_peak_ = 0;
};

// Peak of a sine at this level: +3.17 dBm0 fills µ-law's range (G.711).
double PeakOf(double dbm0);

}  // namespace flattone::call
