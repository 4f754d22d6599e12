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

// The condition for approved authorisations that are marked void-if-approved and that no void or refund has followed yet.
inline constexpr char kVoidOwed[] =
    "void_if_approved = 1 AND state = 3 AND answer = 1 AND operation = 1 AND NOT EXISTS (SELECT 1 FROM attempt f "
    "WHERE f.tenant_id = attempt.tenant_id AND f.payment_id = attempt.payment_id AND f.operation IN (3, 4) "
    "AND (f.state IN (1, 4) OR (f.state = 3 AND f.answer IN (1, 4))))";

}  // namespace flattone::gateway
