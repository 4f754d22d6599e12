#include "services/gateway-adapter/psp/stripe_codes.h"

namespace flattone::gateway {
namespace {

struct Line {
  std::string_view code;
  Instruction instruction;
};

constexpr Line kCodes[] = {
    {"incorrect_number", Instruction::kReenterNumber},
    {"invalid_number", Instruction::kReenterNumber},
    {"expired_card", Instruction::kOtherCard},
    {"invalid_expiry_month", Instruction::kReenterExpiry},
    {"invalid_expiry_year", Instruction::kReenterExpiry},
    {"incorrect_cvc", Instruction::kReenterSecurityCode},
    {"invalid_cvc", Instruction::kReenterSecurityCode},
    {"insufficient_funds", Instruction::kOtherCard},
    {"card_velocity_exceeded", Instruction::kOtherCard},
    {"withdrawal_count_limit_exceeded", Instruction::kOtherCard},
    {"card_not_supported", Instruction::kOtherCard},
    {"currency_not_supported", Instruction::kOtherCard},
    {"call_issuer", Instruction::kCallTheBank},
    {"do_not_honor", Instruction::kCallTheBank},
    {"generic_decline", Instruction::kCallTheBank},
    {"new_account_information_available", Instruction::kCallTheBank},
    {"no_action_taken", Instruction::kCallTheBank},
    {"not_permitted", Instruction::kCallTheBank},
    {"service_not_allowed", Instruction::kCallTheBank},
    {"transaction_not_allowed", Instruction::kCallTheBank},
    {"authentication_required", Instruction::kCallTheBank},
    {"approve_with_id", Instruction::kTryLater},
    {"issuer_not_available", Instruction::kTryLater},
    {"processing_error", Instruction::kTryLater},
    {"reenter_transaction", Instruction::kTryLater},
    {"try_again_later", Instruction::kTryLater},
    {"rate_limit", Instruction::kTryLater},
    {"lock_timeout", Instruction::kTryLater},
    {"lost_card", Instruction::kStop},
    {"stolen_card", Instruction::kStop},
    {"pickup_card", Instruction::kStop},
    {"restricted_card", Instruction::kStop},
    {"fraudulent", Instruction::kStop},
    {"merchant_blacklist", Instruction::kStop},
    {"revocation_of_all_authorizations", Instruction::kStop},
    {"revocation_of_authorization", Instruction::kStop},
    {"stop_payment_order", Instruction::kStop},
    {"security_violation", Instruction::kStop},
    {"invalid_account", Instruction::kStop},
};

Instruction Find(std::string_view code) {
  for (const Line& line : kCodes) {
    if (line.code == code) return line.instruction;
  }
  return Instruction::kNone;
}

}  // namespace

Instruction StripeInstruction(std::string_view code, std::string_view decline_code, std::string_view advice_code) {
  // The scheme's word comes first: a card that must not be tried again is not tried again, whatever the reason.
  if (advice_code == "do_not_try_again") return Instruction::kStop;
  if (const Instruction found = Find(decline_code); found != Instruction::kNone) return found;
  if (const Instruction found = Find(code); found != Instruction::kNone) return found;
  if (advice_code == "try_again_later") return Instruction::kTryLater;
  if (advice_code == "confirm_card_data") return Instruction::kReenterNumber;
  return code == "card_declined" ? Instruction::kOtherCard : Instruction::kTryLater;
}

}  // namespace flattone::gateway
