#include "services/tokenisation-vault/config.h"

#include "libs/daemon/flags.h"

namespace flattone::vault {

void Config::Declare(daemon::Flags& flags) {
  flags.Group("Storage and keys");
  flags.Hidden("database", &database, "sqlite:/path/vault.db or postgresql://user:password@host/database");
  flags.Integer("database-sessions", &database_sessions, 2, 256, "connections to the database");
  flags.Required("kek-file", &kek_file, "key-encryption keys, one a line, the last one active; mode 0600");
  flags.Switch("create-kek", &create_kek, "make the key file when it is missing (development)");
  flags.Switch("verify-audit", &verify_audit, "walk the audit chain, print the verdict as JSON and exit: 0 intact, 1 broken");
  flags.Group("Captures and cards");
  flags.Text("advertise-address", &advertise_address, "host:port at which other services dial this very replica; empty: 127.0.0.1 and the port in use");
  flags.Integer("secret-arena-bytes", &secret_arena_bytes, 65536, int64_t{1} << 33, "locked memory for keys and digits (RLIMIT_MEMLOCK)");
  flags.Integer("capture-slots", &vault.captures.slots, 1, 1000000, "captures that may run at once");
  flags.Integer("max-opens-payment", &vault.cards.max_opens_payment, 1, 1000, "how often the card of a payment may be released");
  flags.Integer("max-opens-tokenise", &vault.cards.max_opens_tokenise, 1, 1000000, "how often a kept card may be released");
  flags.Duration("payment-token-ttl", &vault.tokens.payment_ttl, absl::Minutes(15), absl::Hours(24 * 30),
                 "a payment's card is destroyed after this even when nobody reports the payment final");
  flags.Duration("code-after-release", &vault.code_after_release, absl::Seconds(10), absl::Minutes(10),
                 "a released security code is wiped after this even when no answer is reported: the PSP's time-out and 60 s");
}

}  // namespace flattone::vault
