// Envelope encryption of what is kept: each tenant has data keys, numbered; each is kept wrapped by a
// key-encryption key (key_store.h), and each field of a record is sealed under one, bound to the row it
// belongs to: a ciphertext copied into another row, column or tenant does not open.
//
// The nonce is random (96 bits) and stored before the ciphertext: a data key is good for 2^32 fields, and
// is rotated long before (the vault's keyring counts).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/random.h"
#include "libs/crypto/aead.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/key_store.h"
#include "libs/secret/bytes.h"

namespace flattone::crypto {

// nonce || ciphertext || tag.
absl::StatusOr<std::string> SealWithNonce(Random& random, const secret::SecretBytes& key, Bytes aad, Bytes plain);
absl::StatusOr<secret::SecretBytes> OpenWithNonce(const secret::SecretBytes& key, Bytes aad, std::string_view sealed);

// A tenant's key in clear, in locked memory. `purpose` keeps kinds of key apart ("data", "fingerprint").
struct TenantKey {
  std::string tenant;
  std::string purpose;
  uint32_t version = 0;  // 1, 2, 3 …
  secret::SecretBytes key;
};

// A new random key; wrapped for storage; unwrapped again. The wrapping binds tenant, purpose and version.
absl::StatusOr<TenantKey> MakeTenantKey(Random& random, std::string_view tenant, std::string_view purpose, uint32_t version);
absl::StatusOr<KeyStore::Wrapped> WrapTenantKey(KeyStore& store, const TenantKey& key);
absl::StatusOr<TenantKey> UnwrapTenantKey(KeyStore& store, std::string_view tenant, std::string_view purpose, uint32_t version,
                                          const KeyStore::Wrapped& wrapped);

// One field of one row under a tenant's data key; binds tenant, row, key version and field name.
absl::StatusOr<std::string> SealField(Random& random, const TenantKey& key, std::string_view row, std::string_view field,
                                      const secret::SecretBytes& plain);
absl::StatusOr<secret::SecretBytes> OpenField(const TenantKey& key, std::string_view row, std::string_view field,
                                              std::string_view sealed);

}  // namespace flattone::crypto
