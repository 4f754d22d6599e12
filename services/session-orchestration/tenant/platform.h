// What a platform does for its own tenants (platform.v1 of the public API). Each method runs inside the dispatcher's
// transaction; `platform` is the world of the credential. A tenant that is not the platform's own, or of the other
// mode, is NOT_FOUND like one that never was. Every change writes an admin action with the key's id as the actor.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "flattone/session/v1/platform.pb.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/storage/database.h"
#include "services/session-orchestration/store/world.h"

namespace flattone::session {

inline constexpr int kMaxKeysOfTenant = 50;  // that are not revoked; of those that a platform makes

class PlatformStore {
 public:
  PlatformStore(const Clock& clock, Random& random) : clock_(clock), random_(random) {}

  absl::StatusOr<v1::Tenant> Create(storage::Transaction& tx, const World& platform, const std::string& actor, const v1::CreatePlatformTenantRequest& request);
  absl::StatusOr<v1::Tenant> Get(storage::Transaction& tx, const World& platform, const v1::GetPlatformTenantRequest& request);
  absl::StatusOr<v1::ListPlatformTenantsResponse> List(storage::Transaction& tx, const World& platform, const v1::ListPlatformTenantsRequest& request);
  absl::StatusOr<v1::Tenant> SetSuspended(storage::Transaction& tx, const World& platform, const std::string& actor, const std::string& tenant_id, bool suspended);
  absl::StatusOr<v1::ApiKey> CreateKey(storage::Transaction& tx, const World& platform, const std::string& actor, const v1::CreateTenantApiKeyRequest& request);
  absl::StatusOr<v1::ListTenantApiKeysResponse> ListKeys(storage::Transaction& tx, const World& platform, const v1::ListTenantApiKeysRequest& request);
  absl::StatusOr<v1::ApiKey> RevokeKey(storage::Transaction& tx, const World& platform, const std::string& actor, const v1::RevokeTenantApiKeyRequest& request);

 private:
  const Clock& clock_;
  Random& random_;
};

}  // namespace flattone::session
