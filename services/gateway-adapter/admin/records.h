// What operators did, in order, written in the transaction of what they did.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/storage/database.h"

namespace flattone::gateway {

struct AdminRecord {
  int64_t sequence = 0;
  int64_t time_us = 0;
  std::string actor;   // the caller's identity
  std::string action;  // "psp_account.put"
  std::string tenant_id;
  std::string object;
  std::string reason;
};

// In the caller's transaction; gives the record its sequence number.
absl::Status AppendRecord(storage::Transaction& tx, const AdminRecord& record);
// Oldest first, after a sequence number.
absl::StatusOr<std::vector<AdminRecord>> ListRecords(storage::Database& database, int64_t after, int limit);

}  // namespace flattone::gateway
