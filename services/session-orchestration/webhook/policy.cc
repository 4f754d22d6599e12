#include "services/session-orchestration/webhook/policy.h"

#include <algorithm>

#include "absl/strings/numbers.h"

namespace flattone::session {
namespace {

constexpr absl::Duration kWaits[kMaxAttempts - 1] = {
    absl::Seconds(5), absl::Minutes(5), absl::Minutes(30), absl::Hours(2),  absl::Hours(5),
    absl::Hours(10),  absl::Hours(14),  absl::Hours(20),   absl::Hours(24),
};
constexpr absl::Duration kLongestRetryAfter = absl::Hours(24);
constexpr absl::Duration kDisableAfter = absl::Hours(5 * 24);

}  // namespace

std::optional<absl::Duration> ParseRetryAfter(const std::string& text, absl::Time now) {
  int64_t seconds = 0;
  if (absl::SimpleAtoi(text, &seconds)) {
    return seconds > 0 ? std::optional<absl::Duration>(absl::Seconds(std::min<int64_t>(seconds, 86400))) : std::nullopt;
  }
  absl::Time at;
  std::string ignored;
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", text, &at, &ignored) || at <= now) return std::nullopt;
  return at - now;
}

DeliveryVerdict Judge(const Attempt& attempt, int attempts, absl::Time failing_since, absl::Time now, Random& random) {
  DeliveryVerdict verdict;
  if (attempt.status >= 200 && attempt.status <= 299) {
    verdict.action = DeliveryVerdict::kDelivered;
    return verdict;
  }
  if (attempt.status == 410) {
    // Stays pending: it goes out if somebody enables the endpoint again.
    verdict.next = now;
    verdict.disable_reason = "gone";
    return verdict;
  }
  if (now - failing_since >= kDisableAfter) verdict.disable_reason = "failing";
  if (attempts + 1 >= kMaxAttempts) {
    verdict.action = DeliveryVerdict::kGiveUp;
    return verdict;
  }
  absl::Duration wait = kWaits[attempts] * (0.8 + static_cast<double>(random.Below(401)) / 1000.0);
  if (attempt.status == 429 || attempt.status == 503) {
    auto asked = ParseRetryAfter(attempt.retry_after, now);
    if (asked.has_value()) wait = std::max(wait, std::min(*asked, kLongestRetryAfter));
  }
  verdict.next = now + wait;
  return verdict;
}

}  // namespace flattone::session
