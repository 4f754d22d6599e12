#include "libs/rtp/telephone_event.h"

#include <vector>

#include "libs/testing/catch.h"

namespace flattone::rtp {
namespace {

TEST_CASE("An event reads back as written") {
  std::vector<uint8_t> bytes(4);
  REQUIRE(WriteTelephoneEvent({.event = 11, .end = true, .volume = 10, .duration = 800}, bytes) == 4);
  const auto events = TelephoneEventsView::Parse(bytes);
  REQUIRE(events.has_value());
  REQUIRE(events->size() == 1);
  CHECK((*events)[0].event == 11);
  CHECK((*events)[0].end);
  CHECK((*events)[0].volume == 10);
  CHECK((*events)[0].duration == 800);
}

TEST_CASE("Several events in one packet follow each other in time") {
  std::vector<uint8_t> bytes(12);
  WriteTelephoneEvent({.event = 1, .end = true, .volume = 0, .duration = 800}, std::span(bytes));
  WriteTelephoneEvent({.event = 2, .end = true, .volume = 0, .duration = 65535}, std::span(bytes).subspan(4));
  WriteTelephoneEvent({.event = 3, .end = false, .volume = 0, .duration = 160}, std::span(bytes).subspan(8));
  const auto events = TelephoneEventsView::Parse(bytes);
  REQUIRE(events.has_value());
  CHECK(events->size() == 3);
  CHECK(events->onset(0) == 0);
  CHECK(events->onset(2) == 66335);
}

TEST_CASE("Payloads that are no whole events are refused") {
  CHECK_FALSE(TelephoneEventsView::Parse({}).has_value());
  CHECK_FALSE(TelephoneEventsView::Parse(std::vector<uint8_t>(5)).has_value());
  CHECK_FALSE(TelephoneEventsView::Parse(std::vector<uint8_t>(4 * (kMaxTelephoneEvents + 1))).has_value());
  std::vector<uint8_t> small(3);
  CHECK(WriteTelephoneEvent({}, small) == 0);
}

TEST_CASE("Keys and event numbers translate both ways") {
  for (char key : {'0', '9', '*', '#', 'A', 'D'}) CHECK(KeyOfEvent(static_cast<uint8_t>(EventOfKey(key))) == key);
  CHECK(KeyOfEvent(16) == '\0');
  CHECK(EventOfKey('x') == -1);
  CHECK(EventOfKey('\0') == -1);
}

}  // namespace
}  // namespace flattone::rtp
