// The states of an attempt and what may change them: pure, so that each cell of the table is a test.
//
//   event \ state      SENDING            NOT_SENT   ANSWERED   UNKNOWN
//   Checkpoint         same epoch: keep   refused    refused    refused
//   NotSent            same epoch: →      refused    refused    refused
//   Answered           → ANSWERED         refused    refused    → ANSWERED (a late answer is the truth)
//   NoAnswer           same epoch: →      refused    refused    refused
//   LeaseExpired       → UNKNOWN, epoch+1 refused    refused    refused
//   Asked (no news)    refused            refused    refused    keep, asked later
//   Resolved           refused            refused    refused    → ANSWERED
//   VoidIfApproved     mark               refused    refused    mark
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/gateway-adapter/attempt/attempt.h"

namespace flattone::gateway {

enum class EventKind { kCheckpoint, kNotSent, kAnswered, kNoAnswer, kLeaseExpired, kAsked, kResolved, kVoidIfApproved };

// What became known, and who says it.
struct Event {
  EventKind kind;
  int64_t epoch = 0;  // of the writer; looked at where the table says "same epoch"
  Answer answer = Answer::kNone;
  Instruction instruction = Instruction::kNone;
  bool captured = false;
  std::string psp_reference;
  std::string authorisation_code;
  std::string raw_code;
};

struct Change {
  Attempt attempt;
  bool tell = false;  // the outbox tells it: the version rose
};

// FAILED_PRECONDITION (code "attempt_taken_over" for an older epoch, "attempt_final" or "wrong_state" else) when
// the table refuses. `now_us`: microseconds since 1970.
absl::StatusOr<Change> Apply(const Attempt& before, const Event& event, int64_t now_us);

}  // namespace flattone::gateway
