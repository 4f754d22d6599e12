// Telephone events (RFC 4733): keys sent as named events instead of sound.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |     event     |E|R|  volume   |          duration             |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// One payload may hold several events in a row; the second begins where the first ends (§2.5.1.5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace flattone::rtp {

struct TelephoneEvent {
  uint8_t event = 0;      // 0–9, 10 '*', 11 '#', 12–15 'A'–'D'; above: not a key
  bool end = false;       // the key is up; sent three times
  uint8_t volume = 0;     // −dBm0, 0 to 63
  uint16_t duration = 0;  // in timestamp units since the packet's timestamp
};

inline constexpr size_t kTelephoneEventSize = 4;
inline constexpr size_t kMaxTelephoneEvents = 32;  // per packet; more is refused

class TelephoneEventsView {
 public:
  // nullopt when the payload is empty, no multiple of four bytes, or holds more than kMaxTelephoneEvents.
  static std::optional<TelephoneEventsView> Parse(std::span<const uint8_t> payload);

  size_t size() const { return payload_.size() / kTelephoneEventSize; }
  TelephoneEvent operator[](size_t index) const;  // index < size()
  // Where event `index` begins, in timestamp units after the packet's timestamp.
  uint32_t onset(size_t index) const;

 private:
  explicit TelephoneEventsView(std::span<const uint8_t> payload) : payload_(payload) {}
  std::span<const uint8_t> payload_;
};

// Returns 4, or 0 when it does not fit.
size_t WriteTelephoneEvent(const TelephoneEvent& event, std::span<uint8_t> out);

// '0'–'9', '*', '#', 'A'–'D' ⇔ event number. KeyOfEvent gives 0 for what is no key, EventOfKey gives -1.
char KeyOfEvent(uint8_t event);
int EventOfKey(char key);

}  // namespace flattone::rtp
