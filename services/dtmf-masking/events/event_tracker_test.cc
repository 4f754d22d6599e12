#include "services/dtmf-masking/events/event_tracker.h"

#include <array>
#include <initializer_list>
#include <string>
#include <vector>

#include "libs/dsp/dtmf.h"
#include "libs/rtp/telephone_event.h"
#include "libs/testing/catch.h"

namespace flattone::masking {
namespace {

struct Told {
  uint8_t event;
  uint16_t duration;
  bool end = false;
};

class Receiver {
 public:
  // Returns the keys that this packet newly told.
  std::string Packet(int64_t at, bool marker, std::initializer_list<Told> events, double to_leg = 1.0) {
    std::vector<uint8_t> payload;
    for (const Told& told : events) {
      std::array<uint8_t, 4> four{};
      rtp::WriteTelephoneEvent({.event = told.event, .end = told.end, .duration = told.duration}, four);
      payload.insert(payload.end(), four.begin(), four.end());
    }
    std::array<EventTracker::Span, EventTracker::kMostSpans> spans;
    const int count = tracker_.Take(at, marker, payload, to_leg, spans);
    std::string keys;
    for (int i = 0; i < count; ++i) {
      if (spans[i].first) keys += dsp::kKeypad[spans[i].key];
      last_ = spans[i];
    }
    return keys;
  }
  const EventTracker::Span& last() const { return last_; }
  EventTracker tracker_;
  EventTracker::Span last_;
};

TEST_CASE("start, updates and three end packets are one key") {
  Receiver r;
  CHECK(r.Packet(1000, true, {{5, 160}}) == "5");
  CHECK(r.Packet(1000, false, {{5, 320}}).empty());
  for (int i = 0; i < 3; ++i) CHECK(r.Packet(1000, false, {{5, 480, true}}).empty());
  CHECK(r.last().end == 1480);
  CHECK(r.last().ended);
  CHECK(r.Packet(3000, true, {{5, 160}}) == "5");
}

TEST_CASE("a lost start, or nothing but the last end packet, is still a key") {
  Receiver r;
  CHECK(r.Packet(1000, false, {{11, 320}}) == "#");
  CHECK(r.Packet(4000, false, {{10, 480, true}}) == "*");
  CHECK(r.Packet(4000, false, {{10, 480, true}}).empty());
}

TEST_CASE("all end packets lost: the next press of the same key counts") {
  Receiver r;
  CHECK(r.Packet(1000, true, {{7, 160}}) == "7");
  CHECK(r.Packet(1000, false, {{7, 320}}).empty());
  CHECK(r.Packet(2000, false, {{7, 160}}) == "7");
}

TEST_CASE("several events in one packet, also twice the same, and the packet repeated") {
  Receiver r;
  CHECK(r.Packet(1000, true, {{1, 400, true}, {1, 400, true}, {2, 160}}) == "112");
  CHECK(r.Packet(1000, true, {{1, 400, true}, {1, 400, true}, {2, 320}}).empty());
}

TEST_CASE("more events in one packet than are remembered with their keys count once, however often they are repeated") {
  Receiver r;
  CHECK(r.Packet(1000, true, {{1, 400, true}, {2, 400, true}, {3, 400, true}, {4, 400, true}, {5, 400, true}, {6, 160}}) == "123456");
  for (int i = 0; i < 3; ++i) {
    CHECK(r.Packet(1000, true, {{1, 400, true}, {2, 400, true}, {3, 400, true}, {4, 400, true}, {5, 400, true}, {6, 320}}).empty());
  }
}

TEST_CASE("a sender whose timestamp stands still: another key is another press") {
  Receiver r;
  CHECK(r.Packet(1000, true, {{1, 160}}) == "1");
  CHECK(r.Packet(1000, true, {{2, 160}}) == "2");
  CHECK(r.Packet(1000, false, {{2, 320, true}}).empty());
}

TEST_CASE("a timestamp that leaps within an event leaves it one key, a marker or its end makes two") {
  Receiver r;
  CHECK(r.Packet(1000, true, {{5, 160}}) == "5");
  CHECK(r.Packet(1000, false, {{5, 320}}).empty());
  CHECK(r.Packet(41000, false, {{5, 480}}).empty());
  CHECK(r.Packet(41000, false, {{5, 640, true}}).empty());
  CHECK(r.Packet(90000, true, {{5, 160}}) == "5");
  CHECK(r.Packet(90000, false, {{5, 320, true}}).empty());
  CHECK(r.Packet(130000, false, {{5, 480}}) == "5");  // over, so another press, whose first packets were lost
  CHECK(r.Packet(170000, false, {{5, 320}}) == "5");  // not where it was
}

TEST_CASE("reordered packets of two events count each once") {
  Receiver r;
  CHECK(r.Packet(1000, true, {{1, 160}}) == "1");
  CHECK(r.Packet(2000, true, {{2, 160}}) == "2");
  CHECK(r.Packet(1000, false, {{1, 480, true}}).empty());
  CHECK(r.Packet(2000, false, {{2, 320}}).empty());
  CHECK(r.Packet(1000, false, {{1, 480, true}}).empty());
}

TEST_CASE("a sender that moves the timestamp within an event gives one key, end packets too") {
  Receiver r;
  CHECK(r.Packet(1000, true, {{4, 160}}) == "4");
  CHECK(r.Packet(1160, false, {{4, 160}}).empty());
  CHECK(r.Packet(1320, false, {{4, 160}}).empty());
  CHECK(r.Packet(1480, false, {{4, 160, true}}).empty());
  CHECK(r.Packet(1640, false, {{4, 160, true}}).empty());
}

TEST_CASE("an event longer than 65,535 units goes on as the same key") {
  Receiver r;
  CHECK(r.Packet(1000, true, {{4, 160}}) == "4");
  CHECK(r.Packet(1000, false, {{4, 65535}}).empty());
  CHECK(r.Packet(1000 + 65535, false, {{4, 800}}).empty());
}

TEST_CASE("durations follow the event clock") {
  Receiver r;
  CHECK(r.Packet(1000, true, {{4, 960}}, 8000.0 / 48000) == "4");
  CHECK(r.last().end == 1160);
}

TEST_CASE("events that are no keys and malformed payloads count nothing") {
  Receiver r;
  CHECK(r.Packet(1000, true, {{16, 160}}).empty());
  std::array<EventTracker::Span, EventTracker::kMostSpans> spans;
  const std::array<uint8_t, 5> odd{};
  CHECK(r.tracker_.Take(0, false, odd, 1.0, spans) == -1);
  CHECK(r.tracker_.Take(0, false, {}, 1.0, spans) == -1);
}

}  // namespace
}  // namespace flattone::masking
