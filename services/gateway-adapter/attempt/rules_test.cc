#include "services/gateway-adapter/attempt/rules.h"

#include <string>
#include <vector>

#include "libs/base/error.h"
#include "libs/testing/catch.h"

namespace flattone::gateway {
namespace {

Attempt Make(Operation operation, State state, Answer answer, int64_t amount = 1000) {
  Attempt a;
  a.operation = operation;
  a.state = state;
  a.answer = answer;
  a.amount_minor = amount;
  return a;
}
Attempt Ok(Operation operation, int64_t amount = 1000) { return Make(operation, State::kAnswered, Answer::kApproved, amount); }

// The verdict in one word: "go", "mark", or the refusal's code.
std::string Verdict(const std::vector<Attempt>& attempts, Operation operation, int64_t wanted = 0) {
  const Ruling ruling = Rule(ViewOf(attempts), operation, wanted);
  if (ruling.status.ok()) return ruling.permission == Permission::kGo ? "go" : "mark";
  return DetailOf(ruling.status)->code;
}

TEST_CASE("Every cell of payment and operation is as the table says") {
  Attempt charged = Ok(Operation::kAuthorise);
  charged.captured = true;
  const Attempt declined = Make(Operation::kAuthorise, State::kAnswered, Answer::kDeclined);
  const Attempt not_sent = Make(Operation::kAuthorise, State::kNotSent, Answer::kNone);
  const Attempt error = Make(Operation::kAuthorise, State::kAnswered, Answer::kError);
  const Attempt fenced = Make(Operation::kAuthorise, State::kAnswered, Answer::kVoided);
  Attempt cancelled = Ok(Operation::kAuthorise), cancelled_charged = charged;
  cancelled.void_if_approved = cancelled_charged.void_if_approved = true;
  struct RowOfTable {
    std::string name;
    std::vector<Attempt> attempts;
    std::string authorise, capture, voided, refund;
  };
  const std::vector<RowOfTable> table = {
      {"nothing yet", {}, "go", "not_authorised", "not_authorised", "not_captured"},
      {"declined", {declined}, "go", "not_authorised", "not_authorised", "not_captured"},
      {"not sent", {not_sent}, "go", "not_authorised", "not_authorised", "not_captured"},
      {"error", {error}, "go", "not_authorised", "not_authorised", "not_captured"},
      {"fenced", {fenced}, "go", "not_authorised", "not_authorised", "not_captured"},
      {"sending", {Make(Operation::kAuthorise, State::kSending, Answer::kNone)}, "attempt_live", "attempt_live", "mark", "attempt_live"},
      {"unknown", {Make(Operation::kAuthorise, State::kUnknown, Answer::kNone)}, "attempt_live", "attempt_live", "mark", "attempt_live"},
      {"authorised", {declined, Ok(Operation::kAuthorise)}, "already_authorised", "go", "go", "not_captured"},
      {"capture unknown", {Ok(Operation::kAuthorise), Make(Operation::kCapture, State::kUnknown, Answer::kNone)},
       "attempt_live", "attempt_live", "attempt_live", "attempt_live"},
      {"captured", {Ok(Operation::kAuthorise), Ok(Operation::kCapture)}, "already_authorised", "already_captured", "already_captured", "go"},
      {"charged", {charged}, "already_authorised", "already_captured", "already_captured", "go"},
      {"cancelled", {cancelled}, "already_authorised", "void_pending", "go", "not_captured"},
      {"cancelled, charged", {cancelled_charged}, "already_authorised", "void_pending", "already_captured", "go"},
      {"voided", {Ok(Operation::kAuthorise), Ok(Operation::kVoid)}, "already_voided", "already_voided", "already_voided", "already_voided"},
      {"voided, in an operator's words", {Ok(Operation::kAuthorise), Make(Operation::kVoid, State::kAnswered, Answer::kVoided)},
       "already_voided", "already_voided", "already_voided", "already_voided"},
      {"refunded", {charged, Ok(Operation::kRefund)}, "already_authorised", "already_captured", "already_captured", "already_refunded"},
  };
  for (const RowOfTable& row : table) {
    CAPTURE(row.name);
    CHECK(Verdict(row.attempts, Operation::kAuthorise, 1000) == row.authorise);
    CHECK(Verdict(row.attempts, Operation::kCapture) == row.capture);
    CHECK(Verdict(row.attempts, Operation::kVoid) == row.voided);
    CHECK(Verdict(row.attempts, Operation::kRefund) == row.refund);
  }
}

TEST_CASE("Captures are bounded by the authorisation, refunds by what is left of the capture") {
  const std::vector<Attempt> authorised = {Ok(Operation::kAuthorise, 1000)};
  CHECK(Rule(ViewOf(authorised), Operation::kCapture, 0).amount_minor == 1000);
  CHECK(Rule(ViewOf(authorised), Operation::kCapture, 400).amount_minor == 400);
  CHECK(Verdict(authorised, Operation::kCapture, 1001) == "invalid_field");
  CHECK(Verdict(authorised, Operation::kCapture, -1) == "invalid_field");
  const std::vector<Attempt> captured = {authorised[0], Ok(Operation::kCapture, 400), Ok(Operation::kRefund, 150)};
  CHECK(Rule(ViewOf(captured), Operation::kRefund, 0).amount_minor == 250);
  CHECK(Verdict(captured, Operation::kRefund, 250) == "go");
  CHECK(Verdict(captured, Operation::kRefund, 251) == "invalid_field");
}

TEST_CASE("A payment that was cancelled and charged all the same is given back whole, not in part") {
  Attempt charged = Ok(Operation::kAuthorise);
  charged.captured = charged.void_if_approved = true;
  CHECK(Verdict({charged}, Operation::kRefund, 400) == "void_pending");
  CHECK(Rule(ViewOf(std::vector<Attempt>{charged}), Operation::kRefund, 0).amount_minor == 1000);
}

TEST_CASE("A refund that was declined frees its amount again") {
  std::vector<Attempt> attempts = {Ok(Operation::kAuthorise), Ok(Operation::kCapture),
                                   Make(Operation::kRefund, State::kAnswered, Answer::kDeclined, 900)};
  CHECK(Rule(ViewOf(attempts), Operation::kRefund, 0).amount_minor == 1000);
}

}  // namespace
}  // namespace flattone::gateway
