// The vault's tables. Only ciphertext, wrapped keys and what may be known of a card outside (BIN, last four,
// keyed fingerprint) are ever in them.
#pragma once

#include <span>

#include "libs/storage/migrate.h"

namespace flattone::vault {

std::span<const storage::Migration> Schema();

}  // namespace flattone::vault
