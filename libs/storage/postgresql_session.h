// PostgreSQL through libpq. Internal to libs/storage.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/storage/session.h"

namespace flattone::storage {

// Connects to `url` (postgresql://…). Statements, lock waits and idle transactions are bounded by `statement`.
absl::StatusOr<std::unique_ptr<Session>> OpenPostgresql(const std::string& url, absl::Duration statement);

}  // namespace flattone::storage
