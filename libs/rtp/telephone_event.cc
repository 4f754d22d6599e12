#include "libs/rtp/telephone_event.h"

#include <string_view>

#include "libs/rtp/bytes.h"

namespace flattone::rtp {
namespace {
constexpr std::string_view kKeys = "0123456789*#ABCD";
}

std::optional<TelephoneEventsView> TelephoneEventsView::Parse(std::span<const uint8_t> payload) {
  if (payload.empty() || payload.size() % kTelephoneEventSize != 0 ||
      payload.size() > kTelephoneEventSize * kMaxTelephoneEvents) {
    return std::nullopt;
  }
  return TelephoneEventsView(payload);
}

TelephoneEvent TelephoneEventsView::operator[](size_t index) const {
  const uint8_t* at = &payload_[index * kTelephoneEventSize];
  return {.event = at[0],
          .end = (at[1] & 0x80) != 0,
          .volume = static_cast<uint8_t>(at[1] & 0x3f),
          .duration = Load16(at + 2)};
}

uint32_t TelephoneEventsView::onset(size_t index) const {
  uint32_t onset = 0;
  for (size_t i = 0; i < index; ++i) onset += (*this)[i].duration;
  return onset;
}

size_t WriteTelephoneEvent(const TelephoneEvent& event, std::span<uint8_t> out) {
  if (out.size() < kTelephoneEventSize) return 0;
  out[0] = event.event;
  out[1] = static_cast<uint8_t>((event.end ? 0x80 : 0) | (event.volume & 0x3f));
  Store16(&out[2], event.duration);
  return kTelephoneEventSize;
}

char KeyOfEvent(uint8_t event) { return event < kKeys.size() ? kKeys[event] : '\0'; }

int EventOfKey(char key) {
  const size_t at = kKeys.find(key);
  return key == '\0' || at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace flattone::rtp
