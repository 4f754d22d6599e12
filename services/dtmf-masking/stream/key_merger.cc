#include "services/dtmf-masking/stream/key_merger.h"

#include <algorithm>

namespace flattone::masking {

bool KeyMerger::Take(int key, int64_t onset, int64_t end, bool tone) {
  Press* other_half = nullptr;
  bool torn = false;
  for (Press& press : presses_) {
    if (press.key != key) continue;
    const bool near = onset <= press.end + kApart && press.onset <= end + kApart;
    const bool open = tone ? !press.tone : !press.event;
    if (near && open && (other_half == nullptr || press.order < other_half->order)) other_half = &press;
    // A second tone that begins inside a told event is the same finger: a packet was lost in between.
    torn = torn || (tone && press.event && onset > press.onset && onset < press.end);
  }
  if (other_half != nullptr) {
    (tone ? other_half->tone : other_half->event) = true;
    if (!tone) other_half->end = std::max(other_half->end, end);
    return false;
  }
  if (torn) return false;
  Press* place = &presses_[0];
  for (Press& press : presses_) {
    if (press.key < 0) {
      place = &press;
      break;
    }
    if (press.order < place->order) place = &press;
  }
  *place = {.key = key, .onset = onset, .end = end, .tone = tone, .event = !tone, .order = ++order_};
  return true;
}

void KeyMerger::ExtendEvent(int key, int64_t onset, int64_t end) {
  Press* best = nullptr;
  for (Press& press : presses_) {
    if (press.key != key || !press.event) continue;
    if (onset > press.end + kApart || press.onset > end + kApart) continue;
    if (best == nullptr || press.order > best->order) best = &press;
  }
  if (best != nullptr) best->end = std::max(best->end, end);
}

void KeyMerger::Forget(int64_t now) {
  for (Press& press : presses_) {
    if (press.key >= 0 && now - press.end > 4 * kApart) press = Press{};
  }
}

}  // namespace flattone::masking
