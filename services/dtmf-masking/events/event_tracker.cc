#include "services/dtmf-masking/events/event_tracker.h"

#include <algorithm>

#include "libs/dsp/dtmf.h"
#include "libs/rtp/telephone_event.h"

namespace flattone::masking {
namespace {

// A continuation begins where the told part ends, give or take a packet: events longer than 65,535 units,
// senders that move the timestamp, also of the repeated end packets.
constexpr int64_t kSlack = 161;

int KeyOf(uint8_t event) {
  const std::optional<char> symbol = dsp::SymbolOfEvent(event);
  return symbol ? *dsp::KeypadIndex(*symbol) : -1;
}

}  // namespace

EventTracker::Seen* EventTracker::Find(int64_t onset, int key, bool marker, bool opens_packet) {
  for (Seen& seen : seen_) {
    if (seen.key == key && seen.onset == onset) return &seen;
  }
  if (marker) return nullptr;
  for (Seen& seen : seen_) {
    if (seen.key != key || onset < seen.onset) continue;
    // Nobody presses a key twice within 20 ms; only events listed in one packet may follow each other at once.
    if (onset < seen.end + (opens_packet ? kSlack : 0)) return &seen;
  }
  return nullptr;
}

int EventTracker::Take(int64_t position, bool marker, std::span<const uint8_t> payload, double to_leg,
                       std::span<Span, kMostSpans> out) {
  const auto events = rtp::TelephoneEventsView::Parse(payload);
  if (!events) return -1;
  int count = 0;
  for (size_t i = 0; i < events->size() && count < kMostSpans; ++i) {
    const rtp::TelephoneEvent event = (*events)[i];
    const int64_t onset = position + static_cast<int64_t>(events->onset(i) * to_leg);
    const int64_t end = onset + static_cast<int64_t>(event.duration * to_leg);
    const int key = KeyOf(event.event);
    Span& told = out[count++];
    told = {.key = key, .onset = onset, .end = end, .first = false, .ended = event.end};
    if (key < 0) continue;
    Seen* seen = Find(onset, key, marker && i == 0, i == 0);
    if (seen == nullptr) {
      seen = &seen_[next_];
      next_ = (next_ + 1) % static_cast<int>(seen_.size());
      *seen = {.onset = onset, .end = end, .key = key, .ended = event.end};
      told.first = true;
      continue;
    }
    seen->end = std::max(seen->end, end);
    seen->ended = seen->ended || event.end;
    told.onset = seen->onset;
    told.end = seen->end;
    told.ended = seen->ended;
  }
  return count;
}

}  // namespace flattone::masking
