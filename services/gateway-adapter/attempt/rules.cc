#include "services/gateway-adapter/attempt/rules.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::gateway {
namespace {

Ruling Refuse(const char* code, const std::string& message, const char* fix) {
  return {.status = Refusal(absl::StatusCode::kFailedPrecondition,
                            {.code = code, .field = {}, .limit = {}, .fix = fix}, message)};
}

// `left` is what may still be captured or refunded.
Ruling Amount(int64_t wanted, int64_t left) {
  if (wanted < 0 || wanted > left) {
    return {.status = InvalidField("amount.amount_minor", absl::StrCat("is ", wanted), absl::StrCat("an integer from 1 to ", left))};
  }
  return {.status = absl::OkStatus(), .amount_minor = wanted == 0 ? left : wanted};
}

Ruling Capture(const PaymentView& p, int64_t wanted) {
  if (p.authorised == nullptr) return Refuse("not_authorised", "the payment is not authorised", "authorise it first");
  if (p.captured_minor > 0) return Refuse("already_captured", "the payment was captured", "");
  return Amount(wanted, p.authorised_minor);
}

Ruling Refund(const PaymentView& p, int64_t wanted) {
  if (p.captured_minor == 0) return Refuse("not_captured", "nothing of the payment was captured", "void it instead");
  const int64_t left = p.captured_minor - p.refunded_minor;
  if (left <= 0) return Refuse("already_refunded", "all of the payment was refunded", "");
  return Amount(wanted, left);
}

Ruling Void(const PaymentView& p) {
  if (p.authorised == nullptr) return Refuse("not_authorised", "there is no authorisation to void", "");
  if (p.captured_minor > 0) return Refuse("already_captured", "the payment was captured", "refund it instead");
  return {.status = absl::OkStatus(), .amount_minor = p.authorised_minor};
}

Ruling Authorise(const PaymentView& p, int64_t wanted) {
  if (p.authorised != nullptr) return Refuse("already_authorised", "the payment is authorised", "");
  return {.status = absl::OkStatus(), .amount_minor = wanted};
}

}  // namespace

PaymentView ViewOf(std::span<const Attempt> attempts) {
  PaymentView view;
  for (const Attempt& a : attempts) {
    if (Live(a)) view.live = &a;
    // An operator who decides an unknown void may call it voided.
    if (a.operation == Operation::kVoid && a.state == State::kAnswered && a.answer == Answer::kVoided) view.voided = true;
    if (!Approved(a)) continue;
    switch (a.operation) {
      case Operation::kAuthorise:
        view.authorised = &a;
        view.authorised_minor = a.amount_minor;
        if (a.captured) view.captured_minor = a.amount_minor;
        break;
      case Operation::kCapture: view.captured_minor += a.amount_minor; break;
      case Operation::kRefund: view.refunded_minor += a.amount_minor; break;
      case Operation::kVoid: view.voided = true; break;
    }
  }
  return view;
}

Ruling Rule(const PaymentView& payment, Operation operation, int64_t wanted_minor) {
  if (payment.live != nullptr) {
    if (operation == Operation::kVoid && payment.live->operation == Operation::kAuthorise) {
      return {.status = absl::OkStatus(), .permission = Permission::kMarkVoidIfApproved};
    }
    return Refuse("attempt_live", "another operation of this payment has no outcome yet", "wait for its outcome");
  }
  if (payment.voided) return Refuse("already_voided", "the payment was voided", "");
  // Cancelled while it was authorised: the resolver voids it, or gives all of it back. Nothing else may come in between.
  const bool cancelled = payment.authorised != nullptr && payment.authorised->void_if_approved;
  if (cancelled && (operation == Operation::kCapture || (operation == Operation::kRefund && wanted_minor != 0))) {
    return Refuse("void_pending", "the payment was cancelled and is being voided", "");
  }
  switch (operation) {
    case Operation::kAuthorise: return Authorise(payment, wanted_minor);
    case Operation::kCapture: return Capture(payment, wanted_minor);
    case Operation::kVoid: return Void(payment);
    case Operation::kRefund: return Refund(payment, wanted_minor);
  }
  return Refuse("wrong_state", "unknown operation", "");
}

}  // namespace flattone::gateway
