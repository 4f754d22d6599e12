// The states of a payment and what each action and each report does in them: one table, no I/O.
//
// Actions come from people (cancel, capture, void, refund) and only *ask*: money moves when the
// gateway-adapter reports. Reports come from the adapter's outbox, possibly twice and late.
//
// PROCESSING and UNKNOWN are open: nobody knows yet whether money moved. The rest is settled; AUTHORISED may
// still be captured or voided, CAPTURED refunded.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "services/session-orchestration/session/session_state.h"

namespace flattone::session {

enum class PaymentState : uint8_t { kProcessing, kUnknown, kAuthorised, kCaptured, kDeclined, kCancelled, kVoided, kRefunded };

enum class PaymentAction : uint8_t {
  kCancel,   // give it up; while open: void it should it turn out approved
  kCapture,  // take authorised money
  kVoid,     // give an authorisation back
  kRefund,   // give captured money back, whole or in part
  kReportAuthorised,
  kReportCaptured,
  kReportDeclined,
  kReportUnknown,
  kReportFenced,    // resolved: no money moved and none will
  kReportVoided,
  kReportRefunded,  // all that was captured
};

inline constexpr std::array<PaymentState, 8> kPaymentStates = {
    PaymentState::kProcessing, PaymentState::kUnknown,   PaymentState::kAuthorised, PaymentState::kCaptured,
    PaymentState::kDeclined,   PaymentState::kCancelled, PaymentState::kVoided,     PaymentState::kRefunded};
inline constexpr std::array<PaymentAction, 11> kPaymentActions = {
    PaymentAction::kCancel,         PaymentAction::kCapture,       PaymentAction::kVoid,         PaymentAction::kRefund,
    PaymentAction::kReportAuthorised, PaymentAction::kReportCaptured, PaymentAction::kReportDeclined, PaymentAction::kReportUnknown,
    PaymentAction::kReportFenced,   PaymentAction::kReportVoided,  PaymentAction::kReportRefunded};

// As in the session's table; kAlarm is a report that contradicts what is known: nothing changes, a counter
// moves and an operator looks.
enum class PaymentVerdict : uint8_t { kMove, kRepeat, kIgnore, kRefuse, kAlarm };

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
