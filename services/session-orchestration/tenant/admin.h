// What an operator sets up: tenants, API keys, edges. Every change writes an admin action in its transaction.
// Reads of the public API's objects for any tenant go through the same services as the public API's.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "flattone/session/v1/admin.pb.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/storage/database.h"

namespace flattone::session {

class AdminStore {
 public:
  AdminStore(storage::Database& db, const Clock& clock, Random& random) : db_(db), clock_(clock), random_(random) {}

  // `actor`: the operator's identity, for the audit.
  absl::StatusOr<v1::Tenant> CreateTenant(const std::string& actor, const v1::CreateTenantRequest& request);
  absl::StatusOr<v1::Tenant> GetTenant(const v1::GetTenantRequest& request);
  absl::StatusOr<v1::ListTenantsResponse> ListTenants(const v1::ListTenantsRequest& request);
  absl::StatusOr<v1::Tenant> UpdateTenant(const std::string& actor, const v1::UpdateTenantRequest& request);
  absl::StatusOr<v1::ApiKey> CreateApiKey(const std::string& actor, const v1::CreateApiKeyRequest& request);
  absl::StatusOr<v1::ListApiKeysResponse> ListApiKeys(const v1::ListApiKeysRequest& request);
  absl::StatusOr<v1::ApiKey> RevokeApiKey(const std::string& actor, const v1::RevokeApiKeyRequest& request);
  absl::StatusOr<v1::EdgeConfiguration> PutEdge(const std::string& actor, const v1::PutEdgeRequest& request);
  absl::StatusOr<v1::ListEdgesResponse> ListEdges(const v1::ListEdgesRequest& request);
  absl::StatusOr<v1::DeleteEdgeResponse> DeleteEdge(const std::string& actor, const v1::DeleteEdgeRequest& request);
  absl::StatusOr<v1::ListRelaysResponse> ListRelays(const v1::ListRelaysRequest& request);
  absl::StatusOr<v1::ListAdminActionsResponse> ListActions(const v1::ListAdminActionsRequest& request);
  // An admin action without a change here (webhook endpoints, reads that are audited).
  absl::Status Record(storage::Transaction& tx, const std::string& actor, const std::string& action, const std::string& tenant_id,
                      const std::string& object);

 private:
  storage::Database& db_;
  const Clock& clock_;
  Random& random_;
};

}  // namespace flattone::session
