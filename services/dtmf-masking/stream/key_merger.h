// One key press may arrive as a tone, as an event, or as both, in any order and up to 200 ms apart. Each tone
// is paired with at most one event of the same symbol, oldest first; a press counts when its first half comes.
#pragma once

#include <array>
#include <cstdint>

namespace flattone::masking {

enum class Transport : uint8_t { kInBand, kEvent, kBoth };

class KeyMerger {
 public:
  static constexpr int64_t kApart = 1600;

  // A tone or an event of `key` that began at `onset`. True when it is a new press, false when it is the
  // other half (or a torn-off piece) of one that has counted.
  bool Tone(int key, int64_t onset) { return Take(key, onset, onset, true); }
  bool Event(int key, int64_t onset, int64_t end) { return Take(key, onset, end, false); }
  // The last tone or event goes on to `end`.
  void ExtendEvent(int key, int64_t onset, int64_t end);
  // Forgets presses that ended before `now` by more than they can matter.
  void Forget(int64_t now);

 private:
  struct Press {
    int key = -1;
    int64_t onset = 0, end = 0;
    bool tone = false, event = false;
    uint32_t order = 0;
  };
  bool Take(int key, int64_t onset, int64_t end, bool tone);

  std::array<Press, 6> presses_{};
  uint32_t order_ = 0;
};

}  // namespace flattone::masking
