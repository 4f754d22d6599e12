// Which operation a payment allows, from the attempts that it has: pure. The ledger asks under the payment's
// row lock, so two replicas cannot both hear yes.
//
//   operation \ payment   nothing yet  live attempt   declined,   authorised   captured      voided
//                                                     not sent
//   AUTHORISE             yes          attempt_live   yes         already_…    already_…     already_voided
//   CAPTURE               not_auth…    attempt_live   not_auth…   ≤ authorised already_…     already_voided
//   VOID                  not_auth…    marks¹ / live  not_auth…   yes          already_…     already_voided
//   REFUND                not_capt…    attempt_live   not_capt…   not_capt…    ≤ what is left already_voided
//
// ¹ VOID during a live AUTHORISE marks it void-if-approved. One that was approved all the same takes no CAPTURE and no
//   REFUND in part (void_pending): it is voided, or given back whole.
#pragma once

#include <span>

#include "absl/status/status.h"
#include "services/gateway-adapter/attempt/attempt.h"

namespace flattone::gateway {

// What the attempts of one payment add up to.
struct PaymentView {
  const Attempt* live = nullptr;        // at most one
  const Attempt* authorised = nullptr;  // the approved AUTHORISE
  int64_t authorised_minor = 0;
  int64_t captured_minor = 0;
  int64_t refunded_minor = 0;
  bool voided = false;
};
PaymentView ViewOf(std::span<const Attempt> attempts);

enum class Permission { kGo, kMarkVoidIfApproved };

struct Ruling {
  absl::Status status;  // FAILED_PRECONDITION or INVALID_ARGUMENT when refused
  Permission permission = Permission::kGo;
  int64_t amount_minor = 0;  // what to send: the wanted amount, or all that is left
};

// `wanted_minor` 0: everything (CAPTURE, REFUND). VOID ignores it.
Ruling Rule(const PaymentView& payment, Operation operation, int64_t wanted_minor);

}  // namespace flattone::gateway
