#include "services/gateway-adapter/attempt/transitions.h"

#include <map>
#include <utility>

#include "libs/base/error.h"
#include "libs/testing/catch.h"
#include "services/gateway-adapter/resolve/schedule.h"

namespace flattone::gateway {
namespace {

constexpr int64_t kNow = 1'767'225'600'000'000;
constexpr int64_t kSecond = 1'000'000;

Attempt In(State state) {
  Attempt a;
  a.state = state;
  a.epoch = 7;
  a.version = 3;
  if (state == State::kAnswered) a.answer = Answer::kDeclined;
  if (state == State::kUnknown) a.unknown_us = kNow - kSecond;
  return a;
}

Event Of(EventKind kind, int64_t epoch = 7) {
  Event e{.kind = kind, .epoch = epoch};
  if (kind == EventKind::kAnswered || kind == EventKind::kResolved) e.answer = Answer::kApproved;
  return e;
}

const EventKind kAll[] = {EventKind::kCheckpoint,   EventKind::kNotSent, EventKind::kAnswered, EventKind::kNoAnswer,
                          EventKind::kLeaseExpired, EventKind::kAsked,   EventKind::kResolved, EventKind::kVoidIfApproved};

TEST_CASE("Every cell of state and event is as the table says") {
  // Where an event is allowed, the state it leads to; all other cells refuse.
  const std::map<std::pair<State, EventKind>, State> table = {
      {{State::kSending, EventKind::kCheckpoint}, State::kSending},
      {{State::kSending, EventKind::kNotSent}, State::kNotSent},
      {{State::kSending, EventKind::kAnswered}, State::kAnswered},
      {{State::kSending, EventKind::kNoAnswer}, State::kUnknown},
      {{State::kSending, EventKind::kLeaseExpired}, State::kUnknown},
      {{State::kSending, EventKind::kVoidIfApproved}, State::kSending},
      {{State::kUnknown, EventKind::kAnswered}, State::kAnswered},
      {{State::kUnknown, EventKind::kAsked}, State::kUnknown},
      {{State::kUnknown, EventKind::kResolved}, State::kAnswered},
      {{State::kUnknown, EventKind::kVoidIfApproved}, State::kUnknown},
  };
  for (const State state : {State::kSending, State::kNotSent, State::kAnswered, State::kUnknown}) {
    for (const EventKind kind : kAll) {
      CAPTURE(static_cast<int>(state), static_cast<int>(kind));
      const auto change = Apply(In(state), Of(kind), kNow);
      const auto cell = table.find({state, kind});
      if (cell == table.end()) {
        CHECK(absl::IsFailedPrecondition(change.status()));
      } else {
        REQUIRE(change.ok());
        CHECK(change->attempt.state == cell->second);
      }
    }
  }
}

TEST_CASE("A process whose epoch is over can write neither NOT_SENT nor a checkpoint nor UNKNOWN") {
  for (const State state : {State::kSending, State::kUnknown, State::kAnswered}) {
    for (const EventKind kind : {EventKind::kNotSent, EventKind::kCheckpoint, EventKind::kNoAnswer}) {
      const auto change = Apply(In(state), Of(kind, 6), kNow);
      REQUIRE_FALSE(change.ok());
      CHECK(DetailOf(change.status())->code == "attempt_taken_over");
    }
  }
}

TEST_CASE("An expired lease means UNKNOWN, never NOT_SENT, and ends the owner's epoch") {
  const auto change = Apply(In(State::kSending), Of(EventKind::kLeaseExpired), kNow);
  REQUIRE(change.ok());
  CHECK(change->attempt.state == State::kUnknown);
  CHECK(change->attempt.epoch == 8);
  CHECK(change->attempt.instruction == Instruction::kDoNotRetype);
  CHECK(change->attempt.ask_at_us == kNow + 2 * kSecond);
  CHECK_FALSE(Apply(change->attempt, Of(EventKind::kNotSent), kNow).ok());
}

TEST_CASE("A real answer that comes after the lease ran out is the truth") {
  const auto change = Apply(In(State::kUnknown), Of(EventKind::kAnswered, 6), kNow);
  REQUIRE(change.ok());
  CHECK(change->attempt.answer == Answer::kApproved);
  CHECK(change->attempt.instruction == Instruction::kNone);
}

TEST_CASE("Versions rise with what the outbox tells and with nothing else") {
  CHECK(Apply(In(State::kSending), Of(EventKind::kAnswered), kNow)->attempt.version == 4);
  const auto checkpoint = Apply(In(State::kSending), Of(EventKind::kCheckpoint), kNow);
  CHECK_FALSE(checkpoint->tell);
  CHECK(checkpoint->attempt.version == 3);
  const auto marked = Apply(In(State::kUnknown), Of(EventKind::kVoidIfApproved), kNow);
  CHECK(marked->tell);
  const auto again = Apply(marked->attempt, Of(EventKind::kVoidIfApproved), kNow);
  CHECK_FALSE(again->tell);
  CHECK(again->attempt.version == 4);
}

TEST_CASE("A declined charge is never captured, whatever the PSP's adapter says") {
  Event e = Of(EventKind::kAnswered);
  e.answer = Answer::kDeclined;
  e.captured = true;
  CHECK_FALSE(Apply(In(State::kSending), e, kNow)->attempt.captured);
}

TEST_CASE("An answer that says nothing is refused") {
  Event e = Of(EventKind::kResolved);
  e.answer = Answer::kNone;
  CHECK_FALSE(Apply(In(State::kUnknown), e, kNow).ok());
}

TEST_CASE("The PSP is asked at 2, 5, 10 s, 1 min, 5 min, 1 h, then daily; an outage does not bunch questions") {
  const int64_t seconds[] = {2, 5, 10, 60, 300, 3600};
  int64_t now = kNow;
  for (int asked = 0; asked < 6; ++asked) {
    const int64_t next = NextAsk(kNow, asked, now);
    CHECK(next == kNow + seconds[asked] * kSecond);
    now = next;
  }
  CHECK(NextAsk(kNow, 6, now) == now + 86'400 * kSecond);
  CHECK(NextAsk(kNow, 40, now) == now + 86'400 * kSecond);
  CHECK(NextAsk(kNow, 1, kNow + 500 * kSecond) == kNow + 501 * kSecond);
}

}  // namespace
}  // namespace flattone::gateway
