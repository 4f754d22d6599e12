// The orchestrator's tables, as migrations that run at start (libs/storage/migrate.h). The list only grows.
//
// Rules that hold for all of them: every row names its tenant, every query names it too; modes are 1 (test) and 2
// (live) as in common.v1.Mode; times are microseconds since 1970; `body` is a message of flattone.session.v1.
// Rows that several transactions change are locked in one order, so that none waits for another in a circle:
// idempotency → session → capture → payment → operation → world → webhook endpoint.
#pragma once

#include <vector>

#include "libs/storage/migrate.h"

namespace flattone::session {

const std::vector<storage::Migration>& Migrations();

}  // namespace flattone::session
