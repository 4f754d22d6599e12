#include "services/gateway-adapter/outbox/encode.h"

#include "flattone/gateway/v1/gateway.pb.h"

namespace flattone::gateway {
namespace {

v1::Outcome OutcomeOf(State state) {
  switch (state) {
    case State::kSending: return v1::OUTCOME_PENDING;
    case State::kNotSent: return v1::OUTCOME_NOT_SENT;
    case State::kAnswered: return v1::OUTCOME_ANSWERED;
    case State::kUnknown: return v1::OUTCOME_UNKNOWN;
  }
  return v1::OUTCOME_UNSPECIFIED;
}

}  // namespace

void ToProto(const Attempt& a, v1::Attempt* out) {
  out->set_attempt_id(a.attempt_id);
  out->set_tenant_id(a.tenant_id);
  out->set_payment_id(a.payment_id);
  out->set_operation_id(a.operation_id);
  // The enumerations of attempt.h have the contract's numbers.
  out->set_operation(static_cast<v1::Operation>(a.operation));
  out->mutable_amount()->set_amount_minor(a.amount_minor);
  out->mutable_amount()->set_currency_code(a.currency);
  out->set_mode(static_cast<common::v1::Mode>(a.mode));
  out->set_outcome(OutcomeOf(a.state));
  out->set_answer(static_cast<v1::Answer>(a.answer));
  out->set_psp(a.psp);
  out->set_psp_reference(a.psp_reference);
  out->set_authorisation_code(a.authorisation_code);
  out->set_instruction(static_cast<common::v1::Instruction>(a.instruction));
  out->set_raw_code(a.raw_code);
  out->set_version(a.version);
  out->set_captured(a.captured);
  out->set_void_if_approved(a.void_if_approved);
  out->set_created_ms(a.created_us / 1000);
  out->set_updated_ms(a.updated_us / 1000);
  out->set_brand(static_cast<common::v1::CardBrand>(a.brand));
  out->set_last_four(a.last_four);
}

std::string Encode(const Attempt& attempt) {
  v1::Attempt message;
  ToProto(attempt, &message);
  return message.SerializeAsString();
}

}  // namespace flattone::gateway
