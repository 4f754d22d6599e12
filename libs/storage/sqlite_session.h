// SQLite through its own C interface. Internal to libs/storage.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/storage/session.h"

namespace flattone::storage {

// Opens (and creates, mode 0600) the file: WAL, synchronous=FULL, foreign keys on. A wait for another
// process's write lock is bounded by `busy`.
absl::StatusOr<std::unique_ptr<Session>> OpenSqlite(const std::string& path, absl::Duration busy);

}  // namespace flattone::storage
