// Tenants and API keys as rows, for the operator's door (admin) and the platforms' (platform): what may be stored, and
// how it is read. Functions run inside the caller's transaction.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "flattone/session/v1/admin.pb.h"
#include "libs/base/random.h"
#include "libs/storage/database.h"
#include "services/session-orchestration/store/page.h"
#include "services/session-orchestration/store/rows.h"

namespace flattone::session {

// Of a tenant that names none.
inline constexpr int64_t kDefaultMaxAmountMinor = 99'999'999;

// INVALID_ARGUMENT that names the field: name, max_amount_minor, currency_codes.
absl::Status CheckTenant(const v1::Tenant& tenant);
// Suspended by the operator or by its platform.
bool IsSuspended(const v1::Tenant& tenant);

// NOT_FOUND "tenant_not_found".
absl::StatusOr<v1::Tenant> LoadTenant(storage::Transaction& tx, const std::string& id, Lock lock);
absl::Status InsertTenant(storage::Transaction& tx, const v1::Tenant& tenant, int64_t now_us);
absl::Status SaveTenant(storage::Transaction& tx, const v1::Tenant& tenant);
absl::Status TenantNotFound();

// Checks roles, description and expires_at of `key` (mode and tenant_id are the caller's to check), gives it an id and
// a secret and stores it. The answer has the secret, nothing else does.
absl::StatusOr<v1::ApiKey> InsertKey(storage::Transaction& tx, Random& random, absl::Time now, v1::ApiKey key);
absl::Status KeyNotFound();

// One more admin action, numbered without gaps. `actor`: the operator's identity, or the id of a platform's key.
absl::Status RecordAction(storage::Transaction& tx, absl::Time now, const std::string& actor, const std::string& action,
                          const std::string& tenant_id, const std::string& object);

// Asked sizes 1 to 200, 0: 50; more is cut, the reader pages on.
int SizeOfPage(uint32_t wanted);

// Up to `size` of `rows` (asked with LIMIT size + 1, newest first by created_us and id) through `add`, and the token.
template <typename Response, typename Add>
absl::Status FillPage(const absl::StatusOr<storage::Rows>& rows, int size, Response& response, const Add& add) {
  if (!rows.ok()) return rows.status();
  response.Clear();
  for (size_t i = 0; i < rows->size() && i < static_cast<size_t>(size); ++i) add((*rows)[i]);
  if (rows->size() > static_cast<size_t>(size)) {
    const storage::Row& last = (*rows)[static_cast<size_t>(size) - 1];
    response.set_next_page_token(PageToken({last.Int("created_us"), last.Text("id")}));
  }
  return absl::OkStatus();
}

}  // namespace flattone::session
