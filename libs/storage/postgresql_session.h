// PostgreSQL through libpq. Internal to libs/storage.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/storage/session.h"

namespace flattone::storage {

// Connects to `url` (postgresql://…). Statements and lock waits are bounded by `statement` at the server (then DEADLINE_EXCEEDED
// or, for a lock, ABORTED), idle transactions by three times that; twice that long an answer is waited for, also of a server that
// is stopped (then DEADLINE_EXCEEDED, of a commit UNKNOWN, and the session is broken).
absl::StatusOr<std::unique_ptr<Session>> OpenPostgresql(const std::string& url, absl::Duration statement);

}  // namespace flattone::storage
