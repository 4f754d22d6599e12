#include "services/session-orchestration/payment/money.h"

#include "libs/base/error.h"
#include "libs/testing/catch.h"

namespace flattone::session {
namespace {

TEST_CASE("minor units follow ISO 4217") {
  CHECK(MinorUnits("EUR") == 2);
  CHECK(MinorUnits("AED") == 2);
  CHECK(MinorUnits("ZWG") == 2);
  CHECK(MinorUnits("JPY") == 0);
  CHECK(MinorUnits("KWD") == 3);
  CHECK(!MinorUnits("eur").has_value());
  CHECK(!MinorUnits("XAU").has_value());
  CHECK(!MinorUnits("").has_value());
}

TEST_CASE("an amount is refused with its field and limit") {
  CHECK(CheckMoney("payment.amount", {1, "EUR"}, 0).ok());
  CHECK(CheckMoney("payment.amount", {kMaxAmountMinor, "EUR"}, 0).ok());
  for (int64_t bad : {int64_t{0}, int64_t{-1}, kMaxAmountMinor + 1}) {
    const auto detail = DetailOf(CheckMoney("payment.amount", {bad, "EUR"}, 0));
    REQUIRE(detail.has_value());
    CHECK(detail->code == "amount_out_of_range");
    CHECK(detail->field == "payment.amount.amount_minor");
    CHECK(detail->limit == "an integer from 1 to 99999999999");
  }
  CHECK(CheckMoney("payment.amount", {500, "EUR"}, 500).ok());
  CHECK(DetailOf(CheckMoney("payment.amount", {501, "EUR"}, 500))->limit == "an integer from 1 to 500");
  CHECK(DetailOf(CheckMoney("payment.amount", {1, "XXX"}, 0))->code == "currency_unknown");
}

}  // namespace
}  // namespace flattone::session
