// Captures as the orchestrator and the masker use them: find the one that is meant (or say where it is), act on
// it, and turn a complete one into a token. Pure of gRPC. Any thread.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/tokenisation-vault/audit/chain.h"
#include "services/tokenisation-vault/keyring/keyring.h"
#include "services/tokenisation-vault/service/held_codes.h"
#include "services/tokenisation-vault/service/meters.h"
#include "services/tokenisation-vault/service/registry.h"
#include "services/tokenisation-vault/store/places.h"
#include "services/tokenisation-vault/store/token_store.h"

namespace flattone::vault {

// Who calls, for the audit.
struct Caller {
  std::string actor;
  std::string origin;  // peer address and trace id
};

class Captures {
 public:
  struct Parts {
    CaptureRegistry& registry;
    HeldCodes& codes;
    Places& places;
    TokenStore& tokens;
    Keyring& keyring;
    AuditChain& audit;
    Random& random;
    const Clock& clock;
    Meters& meters;
  };
  struct Options {
    absl::Duration payment_ttl = absl::Hours(24);  // a token of purpose PAYMENT that nobody destroyed
    absl::Duration default_ttl = absl::Hours(24 * 365);
  };
  Captures(Parts parts, Options options) : p_(parts), options_(options) {}

  // FAILED_PRECONDITION "card_not_kept" where identity.kept_token's card is gone; what the registry says.
  absl::StatusOr<CaptureRegistry::Entry> Open(const CaptureIdentity& identity, Rules rules);
  // NOT_FOUND "capture_not_found" or "capture_lost"; FAILED_PRECONDITION "capture_elsewhere" whose fix is the address.
  absl::StatusOr<CaptureRegistry::Entry> Find(const std::string& tenant, const std::string& capture);
  // Ends it and wipes what it held, the security code of its token too.
  absl::StatusOr<Progress> Cancel(const std::string& tenant, const std::string& capture, const Caller& caller);
  // `ttl` zero: the default. With a kept card: a token of its own, and the kept one is destroyed.
  absl::StatusOr<TokenRow> Tokenise(const std::string& tenant, const std::string& capture, TokenPurpose purpose,
                                    absl::Duration ttl, const Caller& caller);

  absl::StatusOr<uint64_t> BeginEpoch(const std::string& tenant, const std::string& capture, uint32_t epoch,
                                      crypto::PublicKey* key);
  absl::StatusOr<KeyOutcome> TakeKey(const std::string& tenant, const std::string& capture, const SealedKey& key,
                                     const Caller& caller);

  // From one timer, several times a second: what time ends, in memory alone. It never waits for a database.
  void Tick();
  // From another one: takes the places of forgotten captures out of the database.
  absl::Status Tend();
  // SIGTERM's first word (docs/adr/0031): opens nothing any more, wipes every capture and code at once but those of a payment
  // that is under way, which go with their release.
  void Drain();
  // Whether nothing is held that a caller could still need.
  bool Idle() const { return p_.registry.live() == 0 && p_.codes.size() == 0; }
  // SIGTERM's last word: every capture and every code.
  void WipeAll();

  CaptureRegistry& registry() { return p_.registry; }
  const Replica& self() const { return p_.places.self(); }

 private:
  absl::StatusOr<TokenRow> Store(CollectedCard& card, CaptureEntry& entry, TokenPurpose purpose, absl::Duration ttl,
                                 const Caller& caller);
  // Fills in, from the card that is kept, what was not typed again.
  absl::Status Complete(const CaptureIdentity& who, CollectedCard& card);
  void AuditBadKey(const CaptureIdentity& identity, const Caller& caller);

  Parts p_;
  const Options options_;
  std::mutex bad_keys_mutex_;
  std::map<std::string, int> bad_keys_;  // audited so far, per live capture
  std::mutex forgotten_mutex_;
  std::vector<std::string> forgotten_;  // bounded; rows also expire by themselves
};

}  // namespace flattone::vault
