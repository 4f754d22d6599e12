// Every tenant's keys: numbered data keys, of which the newest seals, and one fingerprint key that never
// rotates with them. At rest each is wrapped by the key-encryption key (libs/crypto/key_store.h); in use they
// are in locked memory, a bounded number of tenants at a time.
//
// Any thread. Not inside a transaction: a key that is not in memory is read or made in one of its own.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/crypto/envelope.h"
#include "libs/crypto/signing.h"
#include "libs/storage/database.h"

namespace flattone::vault {

class Keyring {
 public:
  using Key = std::shared_ptr<const crypto::TenantKey>;
  struct Options {
    size_t max_cached = 2048;                             // keys in locked memory
    absl::Duration refresh = absl::Seconds(60);           // how long another replica's rotation may go unseen
  };

  Keyring(storage::Database& database, crypto::KeyStore& store, Random& random, const Clock& clock, Options options)
      : database_(database), store_(store), random_(random), clock_(clock), options_(options) {}

  // The data key that seals now; made when the tenant has none. UNAVAILABLE without the database,
  // FAILED_PRECONDITION when the key-encryption key is missing.
  absl::StatusOr<Key> SealingKey(const std::string& tenant);
  // The data key of that version, to open. NOT_FOUND (code "key_unknown").
  absl::StatusOr<Key> DataKey(const std::string& tenant, uint32_t version);
  absl::StatusOr<Key> FingerprintKey(const std::string& tenant);
  // Makes the next data key; older records stay readable.
  absl::StatusOr<uint32_t> Rotate(const std::string& tenant);
  // The key that signs the audit, the same for all replicas.
  absl::StatusOr<crypto::SigningKey> AuditKey();

 private:
  using Name = std::tuple<std::string, std::string, uint32_t>;  // tenant, purpose, version
  struct Newest {
    uint32_t version;
    int64_t read_nanos;
  };

  absl::StatusOr<Key> Load(const std::string& tenant, const std::string& purpose, uint32_t version);
  absl::StatusOr<Key> NewestOrMade(const std::string& tenant, const std::string& purpose);
  absl::StatusOr<uint32_t> NewestVersion(const std::string& tenant, const std::string& purpose);
  absl::Status Make(const std::string& tenant, const std::string& purpose, uint32_t version);
  Key Cached(const Name& name);
  void Keep(const Name& name, Key key);

  storage::Database& database_;
  crypto::KeyStore& store_;
  Random& random_;
  const Clock& clock_;
  const Options options_;
  std::mutex mutex_;
  std::map<Name, Key> keys_;
  std::list<Name> oldest_first_;
  std::map<std::pair<std::string, std::string>, Newest> newest_;
};

}  // namespace flattone::vault
