#include "services/session-orchestration/payment/payment_state.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::session {
namespace {

constexpr std::array<std::string_view, 10> kStateNames = {"PROCESSING", "AUTHORISED", "CAPTURED", "DECLINED", "CANCELLED",
                                                          "UNKNOWN",    "VOIDED",     "REFUNDED", "FAILED",   "TOKENISED"};
constexpr std::array<std::string_view, 11> kActionNames = {
    "capture",        "void",          "refund",           "report authorised", "report captured", "report declined",
    "report unknown", "report failed", "report cancelled", "report voided",     "report refunded"};

// A cell: a state moves there, the others say what their names say. Resolved against its own row below.
struct Cell {
  PaymentVerdict verdict;
  PaymentState next;
  std::string_view code;
  bool same;
};
using P = PaymentState;
constexpr Cell Move(P next) { return {PaymentVerdict::kMove, next, {}, false}; }
constexpr Cell kStay = {PaymentVerdict::kMove, {}, {}, true};
constexpr Cell kIgnore = {PaymentVerdict::kIgnore, {}, {}, true};
constexpr Cell kAlarm = {PaymentVerdict::kAlarm, {}, {}, true};
constexpr Cell No(std::string_view code) { return {PaymentVerdict::kRefuse, {}, code, true}; }

constexpr Cell kOpen = No("payment_open");
constexpr Cell kUnknown = No("outcome_unknown");
constexpr Cell kNotTaken = No("not_captured");
constexpr Cell kTaken = No("already_captured");
constexpr Cell kClosed = No("payment_closed");

// One row per action; columns:
//   PROCESSING AUTHORISED CAPTURED DECLINED CANCELLED UNKNOWN VOIDED REFUNDED FAILED TOKENISED
constexpr std::array<std::array<Cell, 10>, 11> kTable = {{
    /* capture */
    {{kOpen, kStay, kTaken, kClosed, kClosed, kUnknown, kClosed, kTaken, kClosed, kClosed}},
    /* void */
    {{kStay, kStay, kTaken, kClosed, kClosed, kStay, kClosed, kTaken, kClosed, kClosed}},
    /* refund */
    {{kOpen, kNotTaken, kStay, kClosed, kClosed, kUnknown, kClosed, kStay, kClosed, kClosed}},
    /* authorised */
    {{Move(P::kAuthorised), kIgnore, kIgnore, kAlarm, kAlarm, Move(P::kAuthorised), kIgnore, kIgnore, kAlarm, kAlarm}},
    /* captured */
    {{Move(P::kCaptured), Move(P::kCaptured), kIgnore, kAlarm, kAlarm, Move(P::kCaptured), kAlarm, kIgnore, kAlarm, kAlarm}},
    /* declined */
    {{Move(P::kDeclined), kAlarm, kAlarm, kIgnore, kIgnore, Move(P::kDeclined), kIgnore, kAlarm, kIgnore, kAlarm}},
    /* unknown */
    {{Move(P::kUnknown), kIgnore, kIgnore, kIgnore, kIgnore, kIgnore, kIgnore, kIgnore, kIgnore, kIgnore}},
    /* failed */
    {{Move(P::kFailed), kAlarm, kAlarm, kIgnore, kIgnore, Move(P::kFailed), kIgnore, kAlarm, kIgnore, kAlarm}},
    /* cancelled */
    {{Move(P::kCancelled), kAlarm, kAlarm, kIgnore, kIgnore, Move(P::kCancelled), kIgnore, kAlarm, kIgnore, kAlarm}},
    /* voided */
    {{Move(P::kVoided), Move(P::kVoided), Move(P::kVoided), kIgnore, kIgnore, Move(P::kVoided), kIgnore, kAlarm, kIgnore, kAlarm}},
    /* refunded */
    {{kAlarm, kAlarm, Move(P::kRefunded), kAlarm, kAlarm, kAlarm, kAlarm, Move(P::kRefunded), kAlarm, kAlarm}},
}};

std::string_view FixFor(std::string_view code) {
  if (code == "payment_open") return "wait for its outcome";
  if (code == "outcome_unknown") return "wait until the outcome is known; it is being asked for";
  if (code == "not_captured") return "void the authorisation, or capture it first";
  if (code == "already_captured") return "refund it instead";
  return "nothing more can be done with it";
}

}  // namespace

PaymentStep StepOf(PaymentState state, PaymentAction action) {
  const Cell& cell = kTable[static_cast<size_t>(action)][static_cast<size_t>(state)];
  return {cell.verdict, cell.same ? state : cell.next, cell.code};
}

absl::Status RefusalOf(PaymentState state, PaymentAction action) {
  const std::string_view code = StepOf(state, action).code;
  return Refusal(absl::StatusCode::kFailedPrecondition,
                 {.code = std::string(code), .field = {}, .limit = {}, .fix = std::string(FixFor(code))},
                 absl::StrCat("cannot ", std::string(NameOf(action)), ": the payment is ", std::string(NameOf(state)), "; ",
                              std::string(FixFor(code))));
}

bool IsOpen(PaymentState state) { return state == PaymentState::kProcessing || state == PaymentState::kUnknown; }

std::string_view NameOf(PaymentState state) { return kStateNames[static_cast<size_t>(state)]; }
std::string_view NameOf(PaymentAction action) { return kActionNames[static_cast<size_t>(action)]; }

std::optional<PaymentState> PaymentStateNamed(std::string_view name) {
  for (PaymentState state : kPaymentStates) {
    if (NameOf(state) == name) return state;
  }
  return std::nullopt;
}

absl::Status CheckRefund(int64_t captured_minor, int64_t refunded_minor, int64_t reserved_minor, int64_t amount_minor) {
  const int64_t left = captured_minor - refunded_minor - reserved_minor;
  if (amount_minor >= 1 && amount_minor <= left) return absl::OkStatus();
  const std::string limit = left >= 1 ? absl::StrCat("an integer from 1 to ", left) : "nothing: all of it is refunded or being refunded";
  return Refusal(absl::StatusCode::kInvalidArgument,
                 {.code = "refund_exceeds_captured", .field = "amount_minor", .limit = limit, .fix = {}},
                 absl::StrCat("amount_minor is ", amount_minor, "; it must be ", limit, " (captured ", captured_minor, ", refunded ",
                              refunded_minor, ", being refunded ", reserved_minor, ")"));
}

}  // namespace flattone::session
