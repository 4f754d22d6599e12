// The table of the public API's methods: which roles and which agent action open each, and whether it changes something.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "flattone/session/v1/admin.pb.h"
#include "flattone/session/v1/types.pb.h"

namespace flattone::session {

inline constexpr int kNoAgent = 0;

struct MethodRule {
  uint32_t roles;        // bit n: session.v1.ApiKeyRole n
  int agent_action;      // v1::AgentAction that opens it for an agent token; kNoAgent: none
  bool change;           // takes an Idempotency-Key
  const char* resource;  // field of the request that names what is changed
  bool platform = false; // of PlatformService: the key's own tenant asks, Flattone-Tenant is refused
};

// By the method's bare name: names are unique over the public services.
const std::map<std::string, MethodRule>& MethodRules();

}  // namespace flattone::session
