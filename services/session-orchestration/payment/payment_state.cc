#include "services/session-orchestration/payment/payment_state.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::session {
namespace {

constexpr std::array<std::string_view, 8> kStateNames = {"PROCESSING", "UNKNOWN",   "AUTHORISED", "CAPTURED",
                                                         "DECLINED",   "CANCELLED", "VOIDED",     "REFUNDED"};
constexpr std::array<std::string_view, 11> kActionNames = {
    "cancel",           "capture",        "void",          "refund",        "report authorised", "report captured",
    "report declined",  "report unknown", "report fenced", "report voided", "report refunded"};

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
constexpr Cell kRepeat = {PaymentVerdict::kRepeat, {}, {}, true};
constexpr Cell kIgnore = {PaymentVerdict::kIgnore, {}, {}, true};
constexpr Cell kAlarm = {PaymentVerdict::kAlarm, {}, {}, true};
constexpr Cell No(std::string_view code) { return {PaymentVerdict::kRefuse, {}, code, true}; }

constexpr std::string_view kOpen = "payment_open";
constexpr std::string_view kUnknown = "payment_unknown";
constexpr std::string_view kNotCaptured = "payment_not_captured";
constexpr std::string_view kAuthorised = "payment_authorised";
constexpr std::string_view kCaptured = "payment_captured";
constexpr std::string_view kRefunded = "payment_refunded";
constexpr std::string_view kFinal = "payment_final";

// One row per action; columns: PROCESSING UNKNOWN AUTHORISED CAPTURED DECLINED CANCELLED VOIDED REFUNDED.
constexpr std::array<std::array<Cell, 8>, 11> kTable = {{
    /* cancel */ {{kStay, kStay, No(kAuthorised), No(kCaptured), No(kFinal), kRepeat, kRepeat, No(kFinal)}},
    /* capture */ {{No(kOpen), No(kUnknown), kStay, kRepeat, No(kFinal), No(kFinal), No(kFinal), No(kRefunded)}},
    /* void */ {{kStay, kStay, kStay, No(kCaptured), No(kFinal), kRepeat, kRepeat, No(kRefunded)}},
    /* refund */ {{No(kOpen), No(kUnknown), No(kNotCaptured), kStay, No(kFinal), No(kFinal), No(kFinal), No(kRefunded)}},
    /* authorised */ {{Move(P::kAuthorised), Move(P::kAuthorised), kIgnore, kIgnore, kAlarm, kAlarm, kIgnore, kIgnore}},
    /* captured */ {{Move(P::kCaptured), Move(P::kCaptured), Move(P::kCaptured), kIgnore, kAlarm, kAlarm, kAlarm, kIgnore}},
    /* declined */ {{Move(P::kDeclined), Move(P::kDeclined), kAlarm, kAlarm, kIgnore, kIgnore, kIgnore, kAlarm}},
    /* unknown */ {{Move(P::kUnknown), kIgnore, kIgnore, kIgnore, kIgnore, kIgnore, kIgnore, kIgnore}},
    /* fenced */ {{Move(P::kCancelled), Move(P::kCancelled), Move(P::kVoided), Move(P::kVoided), kIgnore, kIgnore, kIgnore, kIgnore}},
    /* voided */ {{Move(P::kCancelled), Move(P::kCancelled), Move(P::kVoided), Move(P::kVoided), kIgnore, kIgnore, kIgnore, kAlarm}},
    /* refunded */ {{kAlarm, kAlarm, kAlarm, Move(P::kRefunded), kAlarm, kAlarm, kAlarm, kIgnore}},
}};

std::string_view FixFor(std::string_view code) {
  if (code == kOpen) return "wait for its outcome";
  if (code == kUnknown) return "wait until the outcome is known; it is being asked for";
  if (code == kNotCaptured) return "void the authorisation, or capture it first";
  if (code == kAuthorised) return "void the authorisation instead";
  if (code == kCaptured) return "refund it instead";
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
