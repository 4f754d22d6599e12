// Stripe's codes in the few words that an agent may say. Pure.
#pragma once

#include <string_view>

#include "services/gateway-adapter/attempt/attempt.h"

namespace flattone::gateway {

// From error.code ("card_declined"), error.decline_code ("insufficient_funds") and error.advice_code
// ("do_not_try_again", "try_again_later", "confirm_card_data"); each may be empty.
// https://docs.stripe.com/declines/codes
Instruction StripeInstruction(std::string_view code, std::string_view decline_code, std::string_view advice_code);

}  // namespace flattone::gateway
