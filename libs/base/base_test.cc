#include <set>
#include <string>
#include <thread>

#include "libs/base/error.h"
#include "libs/base/random.h"
#include "libs/base/spsc_ring.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone {
namespace {

TEST_CASE("InvalidField names field, value and limit and keeps them as a detail") {
  const absl::Status status = InvalidField("amount_minor", "is 0", "an integer from 1 to 99999999");
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK(status.message() == "amount_minor is 0; it must be an integer from 1 to 99999999");
  const auto detail = DetailOf(status);
  REQUIRE(detail.has_value());
  CHECK(detail->code == "invalid_field");
  CHECK(detail->field == "amount_minor");
  CHECK(detail->limit == "an integer from 1 to 99999999");
}

TEST_CASE("A status without a detail has none") { CHECK_FALSE(DetailOf(absl::InternalError("x")).has_value()); }

TEST_CASE("Random ids carry their prefix and do not repeat") {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = RandomId(SystemRandom(), "ses");
    REQUIRE(id.size() == 30);
    REQUIRE(id.rfind("ses_", 0) == 0);
    REQUIRE(seen.insert(id).second);
  }
}

TEST_CASE("Below stays below its bound and reaches both ends") {
  testing::SeededRandom random(1);
  bool low = false, high = false;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = random.Below(6);
    REQUIRE(value < 6);
    low |= value == 0;
    high |= value == 5;
  }
  CHECK(low);
  CHECK(high);
}

TEST_CASE("A ring refuses when full and keeps order between two threads") {
  SpscRing<int> small(2);
  *small.Claim() = 1; small.Publish();
  *small.Claim() = 2; small.Publish();
  CHECK(small.Claim() == nullptr);

  SpscRing<int> ring(64);
  constexpr int kItems = 100'000;
  std::thread producer([&ring] {
    for (int i = 0; i < kItems;) {
      if (int* slot = ring.Claim()) { *slot = i++; ring.Publish(); }
      else std::this_thread::yield();
    }
  });
  bool in_order = true;
  for (int i = 0; i < kItems;) {
    if (int* slot = ring.Front()) { in_order &= *slot == i++; ring.Release(); }
    else std::this_thread::yield();
  }
  producer.join();
  CHECK(in_order);
}

}  // namespace
}  // namespace flattone
