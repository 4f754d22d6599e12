// Who asks: from an API key (ft_test_…, ft_live_…) or an agent token (agt_…) to tenant, mode and what it may do.
//
// Secrets are 256 random bits, shown once, stored as SHA-256 (there is nothing to guess, so no slow hash).
// Nothing is cached: a revoked key is refused by every replica on its next call, and open streams ask again
// every two seconds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/random.h"
#include "libs/storage/database.h"
#include "services/session-orchestration/rest/dispatcher.h"
#include "services/session-orchestration/store/world.h"

namespace flattone::session {

struct Caller {
  World world;
  std::string actor;       // the key's id, or the agent's name: on every event
  std::string key_id;
  uint32_t roles = 0;      // bit n: session.v1.ApiKeyRole n; 0 with an agent token
  uint32_t actions = 0;    // bit n: session.v1.AgentAction n; agent tokens only
  std::string session_id;  // agent tokens only: the one session
  bool is_agent() const { return !session_id.empty(); }
};

// "ft_test_" and 64 hex digits; prefix as given.
std::string NewSecret(Random& random, std::string_view prefix);
std::string SecretHash(std::string_view secret);

// UNAUTHENTICATED: "credential_missing", "credential_invalid" (unknown, expired, revoked: all the same answer);
// PERMISSION_DENIED: "tenant_suspended", "tenant_not_yours" (Flattone-Tenant), "cross_site" (cookie from another site).
absl::StatusOr<Caller> Authenticate(storage::Transaction& tx, const CallContext& context, absl::Time now);

}  // namespace flattone::session
