// An Attempt as a row of the ledger's table, in both directions.
#pragma once

#include <string>
#include <vector>

#include "libs/storage/value.h"
#include "services/gateway-adapter/attempt/attempt.h"

namespace flattone::gateway {

// "attempt_id, tenant_id, …": every column, in the order of ValuesOf.
const std::string& AttemptColumns();
Attempt AttemptOf(const storage::Row& row);

// Statements over all columns, $1 … in the order of ValuesOf; the update's condition is attempt_id = $1.
const std::string& InsertAttempt();
const std::string& UpdateAttempt();
std::vector<storage::Value> ValuesOf(const Attempt& attempt);

}  // namespace flattone::gateway
