// An Attempt as the contract's message: what callers and the outbox see.
#pragma once

#include <string>

#include "services/gateway-adapter/attempt/attempt.h"

namespace flattone::gateway::v1 {
class Attempt;
}

namespace flattone::gateway {

void ToProto(const Attempt& attempt, v1::Attempt* out);
std::string Encode(const Attempt& attempt);

}  // namespace flattone::gateway
