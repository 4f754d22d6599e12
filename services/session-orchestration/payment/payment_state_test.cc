#include "services/session-orchestration/payment/payment_state.h"

#include <algorithm>
#include <sstream>
#include <string>

#include "libs/base/error.h"
#include "libs/testing/catch.h"

namespace flattone::session {
namespace {

// The table once more as a person reads it (README.md shows the same). A state: moves there (its own: the
// action is taken and the state stays); '.' ignores a late report; '!' an alarm;
// anything else is the refusal's code.
constexpr char kExpected[] = R"(
action             PROCESSING    AUTHORISED    CAPTURED          DECLINED        CANCELLED       UNKNOWN          VOIDED          REFUNDED          FAILED          TOKENISED
capture            payment_open  AUTHORISED    already_captured  payment_closed  payment_closed  outcome_unknown  payment_closed  already_captured  payment_closed  payment_closed
void               PROCESSING    AUTHORISED    already_captured  payment_closed  payment_closed  UNKNOWN          payment_closed  already_captured  payment_closed  payment_closed
refund             payment_open  not_captured  CAPTURED          payment_closed  payment_closed  outcome_unknown  payment_closed  REFUNDED          payment_closed  payment_closed
report_authorised  AUTHORISED    .             .                 !               !               AUTHORISED       .               .                 !               !
report_captured    CAPTURED      CAPTURED      .                 !               !               CAPTURED         !               .                 !               !
report_declined    DECLINED      !             !                 .               .               DECLINED         .               !                 .               !
report_unknown     UNKNOWN       .             .                 .               .               .                .               .                 .               .
report_failed      FAILED        !             !                 .               .               FAILED           .               !                 .               !
report_cancelled   CANCELLED     !             !                 .               .               CANCELLED        .               !                 .               !
report_voided      VOIDED        VOIDED        VOIDED            .               .               VOIDED           .               !                 .               !
report_refunded    !             !             REFUNDED          !               !               !                !               REFUNDED          !               !
)";

std::string Shown(const PaymentStep& step) {
  switch (step.verdict) {
    case PaymentVerdict::kMove: return std::string(NameOf(step.next));
    case PaymentVerdict::kIgnore: return ".";
    case PaymentVerdict::kAlarm: return "!";
    case PaymentVerdict::kRefuse: return std::string(step.code);
  }
  return "?";
}

TEST_CASE("each cell of the payment's table is as written") {
  std::istringstream in(kExpected);
  std::string word;
  in >> word;
  for (PaymentState state : kPaymentStates) {
    in >> word;
    CHECK(word == NameOf(state));
  }
  size_t cells = 0;
  for (PaymentAction action : kPaymentActions) {
    in >> word;
    std::string name(NameOf(action));
    std::replace(name.begin(), name.end(), ' ', '_');
    REQUIRE(word == name);
    for (PaymentState state : kPaymentStates) {
      in >> word;
      INFO(NameOf(state) << " x " << name);
      const PaymentStep step = StepOf(state, action);
      CHECK(Shown(step) == word);
      if (step.verdict != PaymentVerdict::kMove) CHECK(step.next == state);
      ++cells;
    }
  }
  CHECK(cells == 110);
}

TEST_CASE("no report moves money back into an open state") {
  for (PaymentState state : kPaymentStates) {
    if (IsOpen(state)) continue;
    for (PaymentAction action : kPaymentActions) CHECK(!IsOpen(StepOf(state, action).next));
  }
}

TEST_CASE("refunds are bounded by what was captured, less refunds made and under way") {
  CHECK(CheckRefund(1000, 0, 0, 1000).ok());
  CHECK(CheckRefund(1000, 300, 200, 500).ok());
  const auto detail = DetailOf(CheckRefund(1000, 300, 200, 501));
  REQUIRE(detail.has_value());
  CHECK(detail->code == "refund_exceeds_captured");
  CHECK(detail->limit == "an integer from 1 to 500");
  CHECK(!CheckRefund(1000, 0, 0, 0).ok());
  CHECK(!CheckRefund(1000, 0, 0, -5).ok());
  CHECK(!CheckRefund(1000, 700, 300, 1).ok());
}

TEST_CASE("a refusal names what can be done instead") {
  const absl::Status status = RefusalOf(PaymentState::kCaptured, PaymentAction::kVoid);
  CHECK(std::string(status.message()) == "cannot void: the payment is CAPTURED; refund it instead");
  CHECK(DetailOf(status)->code == "already_captured");
}

}  // namespace
}  // namespace flattone::session
