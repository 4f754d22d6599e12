// The states of a payment and what each action and each report does in them: one table, no I/O.
//
// Actions come from people (capture, void, refund) and only *ask*: money moves when the
// gateway-adapter reports. Reports come from the adapter's outbox, possibly twice and late.
//
// PROCESSING and UNKNOWN are open: nobody knows yet whether money moved. The rest is settled; AUTHORISED may
// still be captured or voided, CAPTURED and REFUNDED (wholly or in part: the amounts tell) refunded.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "services/session-orchestration/session/session_state.h"

namespace flattone::session {

// In the order of flattone.session.v1.PaymentState, whose 0 is "unspecified".
enum class PaymentState : uint8_t {
  kProcessing, kAuthorised, kCaptured, kDeclined, kCancelled, kUnknown, kVoided, kRefunded, kFailed, kTokenised
};

enum class PaymentAction : uint8_t {
  kCapture,  // take authorised money
  kVoid,     // give an authorisation back; while open: void it should it turn out approved
  kRefund,   // give captured money back, whole or in part
  kReportAuthorised,
  kReportCaptured,
  kReportDeclined,
  kReportUnknown,
  kReportFailed,     // refused for a technical reason, or never sent: no money moved
  kReportCancelled,  // given up before anything was sent
  kReportVoided,     // no money moved and none will, or it was taken back
  kReportRefunded,   // wholly or in part
};

inline constexpr std::array<PaymentState, 10> kPaymentStates = {
    PaymentState::kProcessing, PaymentState::kAuthorised, PaymentState::kCaptured, PaymentState::kDeclined, PaymentState::kCancelled,
    PaymentState::kUnknown,    PaymentState::kVoided,     PaymentState::kRefunded, PaymentState::kFailed,   PaymentState::kTokenised};
inline constexpr std::array<PaymentAction, 11> kPaymentActions = {
    PaymentAction::kCapture,        PaymentAction::kVoid,           PaymentAction::kRefund,
    PaymentAction::kReportAuthorised, PaymentAction::kReportCaptured, PaymentAction::kReportDeclined,
    PaymentAction::kReportUnknown,  PaymentAction::kReportFailed,   PaymentAction::kReportCancelled,
    PaymentAction::kReportVoided,   PaymentAction::kReportRefunded};

// As in the session's table; kAlarm is a report that contradicts what is known: nothing changes, a counter
// moves and an operator looks.
enum class PaymentVerdict : uint8_t { kMove, kIgnore, kRefuse, kAlarm };

struct PaymentStep {
  PaymentVerdict verdict;
  PaymentState next;
  std::string_view code;
};

// The cell of the table. Pure; any thread.
PaymentStep StepOf(PaymentState state, PaymentAction action);
absl::Status RefusalOf(PaymentState state, PaymentAction action);

// Nobody knows yet whether money moved: the session refuses another payment.
bool IsOpen(PaymentState state);

std::string_view NameOf(PaymentState state);
std::string_view NameOf(PaymentAction action);
std::optional<PaymentState> PaymentStateNamed(std::string_view name);

// What may still be refunded: captured less every refund that was made or may have been made.
// INVALID_ARGUMENT (code "refund_exceeds_captured", with the limit) when `amount_minor` is more.
absl::Status CheckRefund(int64_t captured_minor, int64_t refunded_minor, int64_t reserved_minor, int64_t amount_minor);

}  // namespace flattone::session
