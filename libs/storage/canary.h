// A canary: digits, no card's, that a scan for card data must find in this database before its "clean" counts.
// For tests and the demo (`--canary` of libs/daemon); never called in production.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "libs/storage/database.h"

namespace flattone::storage {

// Keeps `digits` in a table of its own, once. Nothing happens when it is empty. After Migrate().
absl::Status PlantCanary(Database& database, const std::string& digits);

}  // namespace flattone::storage
