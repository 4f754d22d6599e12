// Stripe's objects as JSON, in the shapes of its public API description.
#pragma once

#include <boost/json.hpp>

#include "tools/sandbox-psp/ledger.h"

namespace flattone::sandbox::stripe {

boost::json::object MethodJson(const Method& method);
// `expand_charge`: latest_charge as an object instead of an id.
boost::json::object IntentJson(const Payment& payment, bool expand_charge);
boost::json::object ChargeJson(const Payment& payment);
boost::json::object RefundJson(const Refund& refund, const Payment& payment);

// requires_payment_method, requires_confirmation, requires_action, requires_capture, succeeded, canceled
std::string_view IntentStatus(const Payment& payment);
// The `error` member of a decline, without the intent.
boost::json::object DeclineError(const Payment& payment);

}  // namespace flattone::sandbox::stripe
