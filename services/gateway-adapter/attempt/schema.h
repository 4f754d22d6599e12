// The adapter's database: attempts, outcomes, accounts, audited decisions. Holds no card data: a token and the
// last four are all that is known of a card here.
#pragma once

#include <span>

#include "libs/storage/migrate.h"

namespace flattone::gateway {

std::span<const storage::Migration> Migrations();

}  // namespace flattone::gateway
