#include "services/gateway-adapter/attempt/transitions.h"

#include "libs/base/error.h"
#include "services/gateway-adapter/resolve/schedule.h"

namespace flattone::gateway {
namespace {

absl::Status Refuse(const char* code, const char* message) {
  return Refusal(absl::StatusCode::kFailedPrecondition, {.code = code, .field = {}, .limit = {}, .fix = {}}, message);
}

bool NeedsSameEpoch(EventKind kind) {
  return kind == EventKind::kCheckpoint || kind == EventKind::kNotSent || kind == EventKind::kNoAnswer;
}

bool Allowed(State state, EventKind kind) {
  switch (kind) {
    case EventKind::kCheckpoint: case EventKind::kNotSent: case EventKind::kNoAnswer: case EventKind::kLeaseExpired:
      return state == State::kSending;
    case EventKind::kAnswered: case EventKind::kVoidIfApproved:
      return state == State::kSending || state == State::kUnknown;
    case EventKind::kAsked: case EventKind::kResolved:
      return state == State::kUnknown;
  }
  return false;
}

void TakeFacts(Attempt& a, const Event& event) {
  if (!event.psp_reference.empty()) a.psp_reference = event.psp_reference;
  if (!event.authorisation_code.empty()) a.authorisation_code = event.authorisation_code;
  if (!event.raw_code.empty()) a.raw_code = event.raw_code;
}

void BecomeUnknown(Attempt& a, int64_t now_us) {
  a.state = State::kUnknown;
  a.instruction = Instruction::kDoNotRetype;
  a.unknown_us = now_us;
  a.asked = 0;
  a.ask_at_us = NextAsk(now_us, 0, now_us);
}

void BecomeAnswered(Attempt& a, const Event& event) {
  a.state = State::kAnswered;
  a.answer = event.answer;
  a.instruction = event.instruction;
  a.captured = event.captured && event.answer == Answer::kApproved;
}

}  // namespace

absl::StatusOr<Change> Apply(const Attempt& before, const Event& event, int64_t now_us) {
  // A process that lost its lease and wakes up again is told so, whatever the state is by now.
  if (NeedsSameEpoch(event.kind) && event.epoch != before.epoch) {
    return Refuse("attempt_taken_over", "another process took this attempt over; nothing was written");
  }
  if (!Allowed(before.state, event.kind)) {
    if (!Live(before)) return Refuse("attempt_final", "the attempt has its outcome");
    return Refuse("wrong_state", "the attempt is not in a state for this");
  }
  if ((event.kind == EventKind::kAnswered || event.kind == EventKind::kResolved) && event.answer == Answer::kNone) {
    return absl::InternalError("an answer that says nothing");
  }
  Change change{before, true};
  Attempt& a = change.attempt;
  TakeFacts(a, event);
  switch (event.kind) {
    case EventKind::kCheckpoint:
      change.tell = false;
      break;
    case EventKind::kNotSent:
      a.state = State::kNotSent;
      a.instruction = event.instruction;
      break;
    case EventKind::kAnswered: case EventKind::kResolved:
      BecomeAnswered(a, event);
      break;
    case EventKind::kLeaseExpired:
      ++a.epoch;
      BecomeUnknown(a, now_us);
      break;
    case EventKind::kNoAnswer:
      BecomeUnknown(a, now_us);
      break;
    case EventKind::kAsked:
      ++a.asked;
      a.ask_at_us = NextAsk(a.unknown_us, a.asked, now_us);
      change.tell = false;
      break;
    case EventKind::kVoidIfApproved:
      change.tell = !a.void_if_approved;
      a.void_if_approved = true;
      break;
  }
  a.updated_us = now_us;
  if (change.tell) ++a.version;
  return change;
}

}  // namespace flattone::gateway
