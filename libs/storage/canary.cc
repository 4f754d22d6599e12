#include "libs/storage/canary.h"

namespace flattone::storage {

absl::Status PlantCanary(Database& database, const std::string& digits) {
  if (digits.empty()) return absl::OkStatus();
  return database.Write([&digits](Transaction& tx) -> absl::Status {
    absl::Status status = tx.Script("CREATE TABLE IF NOT EXISTS canary (digits TEXT PRIMARY KEY)");
    if (!status.ok()) return status;
    return tx.Execute("INSERT INTO canary (digits) VALUES ($1) ON CONFLICT DO NOTHING", {digits}).status();
  });
}

}  // namespace flattone::storage
