// What an operator can set.
#pragma once

#include <string>

#include "services/tokenisation-vault/service/vault.h"

namespace flattone::daemon {
class Flags;
}

namespace flattone::vault {

struct Config {
  std::string database;
  std::string kek_file;
  bool create_kek = false;
  bool verify_audit = false;
  std::string advertise_address;
  int64_t secret_arena_bytes = 4 << 20;
  int database_sessions = 8;
  VaultOptions vault;

  void Declare(daemon::Flags& flags);
};

}  // namespace flattone::vault
