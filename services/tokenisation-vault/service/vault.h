// The vault put together from its rooms: what main.cc and the tests of the whole build, without gRPC.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/crypto/key_store.h"
#include "libs/obs/log.h"
#include "libs/obs/metrics.h"
#include "services/tokenisation-vault/service/cards.h"

namespace flattone::vault {

struct VaultOptions {
  std::string replica_id;  // new with every start
  CaptureRegistry::Options captures;
  Captures::Options tokens;
  Cards::Options cards;
  Keyring::Options keys;
  storage::GroupOptions group;
  // The PSP's time-out and 60 s of unknown outcome.
  absl::Duration code_after_release = absl::Seconds(120);
};

class Vault {
 public:
  struct Outside {
    storage::Database& database;
    crypto::KeyStore& kek;
    Random& random;
    const Clock& clock;
    obs::Registry& metrics;
    obs::Logger& log;
  };
  // Migrates the schema, makes or finds the audit key. What storage and keyring say.
  static absl::StatusOr<std::unique_ptr<Vault>> Create(Outside outside, VaultOptions options);

  // Takes the lease of this replica, which others dial at `address`. Before the first capture.
  absl::Status Serve(const std::string& address);
  // From one timer, several times a second: fields, captures and codes whose time has come. In memory alone, so that a
  // database that is away keeps no code alive.
  void Tick() { captures_.Tick(); }
  // From another one, several times a second; blocks for the database: the lease, the sweeper, the audit's newest number.
  void Tend();
  // SIGTERM: see Captures::Drain. Then Idle() says when nothing is left.
  void Drain() { captures_.Drain(); }
  bool Idle() const { return captures_.Idle(); }
  // The end: wipes everything and gives the lease up.
  void Close();

  Captures& captures() { return captures_; }
  Cards& cards() { return cards_; }
  HeldCodes& codes() { return codes_; }
  TokenStore& tokens() { return tokens_; }
  Keyring& keyring() { return *keyring_; }
  AuditChain& audit() { return audit_; }
  CaptureRegistry& registry() { return registry_; }

 private:
  Vault(Outside outside, VaultOptions options, std::unique_ptr<Keyring> keyring, crypto::SigningKey audit_key);
  void Sweep();

  Outside out_;
  Meters meters_;
  std::unique_ptr<Keyring> keyring_;
  storage::GroupCommitter group_;
  AuditChain audit_;
  TokenStore tokens_;
  Places places_;
  CaptureRegistry registry_;
  HeldCodes codes_;
  Captures captures_;
  Cards cards_;
  int64_t next_lease_ = 0;
  int64_t next_sweep_ = 0;
  obs::GaugeFunction live_captures_, held_codes_, arena_used_, arena_capacity_;
};

}  // namespace flattone::vault
