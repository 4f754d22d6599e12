// What becomes of a delivery after an attempt: pure.
//
// Tries follow each other after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, each ± 20 %: about three days in all.
// Retry-After is honoured up to a day. 410 disables the endpoint at once, five days without a success disable it too.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "libs/base/random.h"

namespace flattone::session {

// How an attempt ended.
struct Attempt {
  int status = 0;      // HTTP status; 0: no answer
  std::string error;   // without an answer: "timeout", "connection failed"…
  std::string retry_after;  // the header, empty when there was none
};

struct DeliveryVerdict {
  enum Action { kDelivered, kRetry, kGiveUp } action = kRetry;
  absl::Time next;              // with kRetry
  std::string disable_reason;   // "gone", "failing" or empty
};

inline constexpr int kMaxAttempts = 10;

// `attempts`: made before this one. `failing_since`: when the endpoint's row of failures began; InfiniteFuture when
// its last delivery went well.
DeliveryVerdict Judge(const Attempt& attempt, int attempts, absl::Time failing_since, absl::Time now, Random& random);

// Seconds or an HTTP date, as a wait from `now`; nullopt when malformed or in the past.
std::optional<absl::Duration> ParseRetryAfter(const std::string& text, absl::Time now);

}  // namespace flattone::session
