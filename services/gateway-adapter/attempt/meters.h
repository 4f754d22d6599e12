// What the adapter counts. Labels come from fixed sets: operation, outcome, PSP (operator configuration).
#pragma once

#include <atomic>
#include <string>

#include "absl/time/time.h"
#include "libs/obs/metrics.h"
#include "services/gateway-adapter/attempt/attempt.h"

namespace flattone::gateway {

std::string_view OperationName(Operation operation);  // "authorise"
// "pending", "not_sent", "approved", "declined", "error", "voided", "unknown"
std::string_view OutcomeName(const Attempt& attempt);

class Meters {
 public:
  explicit Meters(obs::Registry& registry);

  void Began(const Attempt& attempt);
  void Ended(const Attempt& attempt);
  void Called(const std::string& psp, absl::Duration took);

  obs::Gauge in_flight, unknown;
  obs::Counter refused_busy, questions, no_news, fences, leases_expired, taken_over, wipes_failed, contradictions, write_retries,
      resolved_by_operator;

 private:
  obs::Registry& registry_;
};

}  // namespace flattone::gateway
