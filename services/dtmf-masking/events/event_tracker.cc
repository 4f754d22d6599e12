#include "services/dtmf-masking/events/event_tracker.h"

#include <algorithm>
#include <cstdlib>

#include "libs/dsp/dtmf.h"
#include "libs/rtp/telephone_event.h"

namespace flattone::masking {
namespace {

// A continuation begins where the told part ends, give or take a packet: events longer than 65,535 units,
// senders that move the timestamp, also of the repeated end packets.
constexpr int64_t kSlack = 161;
constexpr int64_t kLeap = 16'000;       // 2 s: no lost packets, but a timestamp that leaps within an event
constexpr int64_t kMostUntold = 800;   // whose duration goes on where it was, or 100 ms behind

int KeyOf(uint8_t event) {
  const std::optional<char> symbol = dsp::SymbolOfEvent(event);
  return symbol ? *dsp::KeypadIndex(*symbol) : -1;
}

}  // namespace

EventTracker::Seen* EventTracker::Find(int64_t onset, int64_t end, int key, bool marker, bool opens_packet) {
  for (Seen& seen : seen_) {
    if (seen.key == key && seen.onset == onset) return &seen;
  }
  if (marker) return nullptr;
  for (Seen& seen : seen_) {
    if (seen.key != key || onset < seen.onset) continue;
    // Nobody presses a key twice within 20 ms; only events listed in one packet may follow each other at once.
    if (onset < seen.end + (opens_packet ? kSlack : 0)) return &seen;
  }
  if (!opens_packet) return nullptr;
  for (Seen& seen : seen_) {
    if (seen.key != key || seen.ended || std::abs(onset - seen.onset) <= kLeap) continue;
    const int64_t untold = (end - onset) - (seen.end - seen.onset);
    if (untold >= 0 && untold <= kMostUntold) return &seen;
  }
  return nullptr;
}

// Of a sender whose timestamp stands still another key is another press.
bool EventTracker::WasTold(int64_t onset, int key) const {
  for (const Seen& seen : seen_) {
    if (seen.onset == onset && seen.key != key) return false;
  }
  return std::find(told_.begin(), told_.end(), onset) != told_.end();
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
    Seen* seen = Find(onset, end, key, marker && i == 0, i == 0);
    if (seen == nullptr) {
      told.first = !WasTold(onset, key);
      seen = &seen_[next_];
      next_ = (next_ + 1) % static_cast<int>(seen_.size());
      *seen = {.onset = onset, .end = end, .key = key, .ended = event.end};
      if (!told.first) continue;
      told_[static_cast<size_t>(next_told_)] = onset;
      next_told_ = (next_told_ + 1) % kMostSpans;
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
