#include "services/session-orchestration/webhook/policy.h"

#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::session {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1767225600);  // 2026-01-01

DeliveryVerdict After(int status, int attempts, const std::string& retry_after = "", absl::Time failing_since = absl::InfiniteFuture()) {
  testing::SeededRandom random(static_cast<uint64_t>(attempts) + 1);
  return Judge({status, "", retry_after}, attempts, failing_since, kNow, random);
}

}  // namespace

TEST_CASE("only 2xx is success", "[webhook]") {
  for (int status : {200, 201, 204, 299}) CHECK(After(status, 0).action == DeliveryVerdict::kDelivered);
  for (int status : {0, 100, 199, 300, 302, 307, 400, 404, 500, 503}) CHECK(After(status, 0).action == DeliveryVerdict::kRetry);
}

TEST_CASE("retries follow the schedule with jitter, for about three days, then end", "[webhook]") {
  const absl::Duration waits[] = {absl::Seconds(5), absl::Minutes(5), absl::Minutes(30), absl::Hours(2), absl::Hours(5),
                                  absl::Hours(10), absl::Hours(14), absl::Hours(20), absl::Hours(24)};
  absl::Duration sum;
  for (int attempts = 0; attempts < 9; ++attempts) {
    const DeliveryVerdict verdict = After(500, attempts);
    REQUIRE(verdict.action == DeliveryVerdict::kRetry);
    CHECK(verdict.next - kNow >= waits[attempts] * 0.8);
    CHECK(verdict.next - kNow <= waits[attempts] * 1.2);
    sum += waits[attempts];
  }
  CHECK(sum > absl::Hours(72));
  CHECK(After(500, 9).action == DeliveryVerdict::kGiveUp);
  testing::SeededRandom random(1);
  CHECK(Judge({500, "", ""}, 0, absl::InfiniteFuture(), kNow, random).next !=
        Judge({500, "", ""}, 0, absl::InfiniteFuture(), kNow, random).next);
}

TEST_CASE("410 disables at once, days of failure disable too", "[webhook]") {
  CHECK(After(410, 0).disable_reason == "gone");
  CHECK(After(500, 3, "", kNow - absl::Hours(119)).disable_reason.empty());
  CHECK(After(500, 3, "", kNow - absl::Hours(120)).disable_reason == "failing");
  CHECK(After(500, 9, "", kNow - absl::Hours(120)).disable_reason == "failing");
  CHECK(After(200, 3, "", kNow - absl::Hours(200)).disable_reason.empty());
}

TEST_CASE("Retry-After is honoured for 429 and 503, up to a day", "[webhook]") {
  CHECK(After(429, 0, "120").next == kNow + absl::Seconds(120));
  CHECK(After(503, 0, "Thu, 01 Jan 2026 01:00:00 GMT").next == kNow + absl::Hours(1));
  CHECK(After(503, 0, "1000000").next == kNow + absl::Hours(24));
  CHECK(After(503, 4, "1").next > kNow + absl::Hours(4));  // never sooner than the schedule
  CHECK(After(500, 0, "120").next < kNow + absl::Seconds(7));
  CHECK(After(503, 0, "soon").next < kNow + absl::Seconds(7));
  CHECK(After(503, 0, "-5").next < kNow + absl::Seconds(7));
}

}  // namespace flattone::session
