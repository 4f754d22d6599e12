#include "services/gateway-adapter/attempt/meters.h"

namespace flattone::gateway {

std::string_view OperationName(Operation operation) {
  switch (operation) {
    case Operation::kAuthorise: return "authorise";
    case Operation::kCapture: return "capture";
    case Operation::kVoid: return "void";
    case Operation::kRefund: return "refund";
  }
  return "none";
}

std::string_view OutcomeName(const Attempt& attempt) {
  switch (attempt.state) {
    case State::kSending: return "pending";
    case State::kNotSent: return "not_sent";
    case State::kUnknown: return "unknown";
    case State::kAnswered: break;
  }
  switch (attempt.answer) {
    case Answer::kApproved: return "approved";
    case Answer::kDeclined: return "declined";
    case Answer::kVoided: return "voided";
    default: return "error";
  }
}

Meters::Meters(obs::Registry& registry)
    : in_flight(registry, "flattone_gateway_attempts_in_flight", "Attempts that this process is sending"),
      unknown(registry, "flattone_gateway_unknown_attempts", "Attempts whose outcome is unknown, of all processes"),
      refused_busy(registry, "flattone_gateway_refused_busy_total", "Requests refused because too many attempts were in flight"),
      questions(registry, "flattone_gateway_questions_total", "Questions to PSPs about attempts with an unknown outcome"),
      no_news(registry, "flattone_gateway_questions_without_news_total", "Questions that left the outcome unknown"),
      fences(registry, "flattone_gateway_fences_total", "Attempts with an unknown outcome that were fenced"),
      leases_expired(registry, "flattone_gateway_leases_expired_total", "Attempts whose process was lost while it sent them"),
      taken_over(registry, "flattone_gateway_taken_over_total", "Attempts that were taken over while this process sent them"),
      wipes_failed(registry, "flattone_gateway_wipes_failed_total", "Wipes that the vault did not confirm; tried again"),
      contradictions(registry, "flattone_gateway_contradicting_answers_total",
                     "Approvals that came after the attempt had another outcome: money may have moved"),
      write_retries(registry, "flattone_gateway_outcome_write_retries_total", "Outcomes that could not be stored at once"),
      resolved_by_operator(registry, "flattone_gateway_operator_decisions_total", "Unknown outcomes decided by an operator"),
      registry_(registry) {}

void Meters::Began(const Attempt& attempt) {
  obs::Counter(registry_, "flattone_gateway_attempts_total", "Attempts begun",
               {{"operation", std::string(OperationName(attempt.operation))}, {"psp", attempt.psp}}).Add();
}

void Meters::Ended(const Attempt& attempt) {
  obs::Counter(registry_, "flattone_gateway_outcomes_total", "Changes of outcome",
               {{"operation", std::string(OperationName(attempt.operation))}, {"psp", attempt.psp},
                {"outcome", std::string(OutcomeName(attempt))}}).Add();
}

void Meters::Called(const std::string& psp, absl::Duration took) {
  obs::Histogram(registry_, "flattone_gateway_psp_call_seconds", "Time a PSP took for one operation", obs::DurationBounds(),
                 {{"psp", psp}}).Observe(absl::ToDoubleSeconds(took));
}

}  // namespace flattone::gateway
