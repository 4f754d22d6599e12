// An X25519 (RFC 7748) key pair whose private half lives in locked memory and never leaves it: the key of a
// capture in the vault, the key of an adapter process.
#pragma once

#include <array>
#include <cstdint>

#include "absl/status/statusor.h"
#include "libs/base/random.h"
#include "libs/secret/bytes.h"

namespace flattone::crypto {

using PublicKey = std::array<uint8_t, 32>;

class X25519KeyPair {
 public:
  // RESOURCE_EXHAUSTED when no locked memory is left.
  static absl::StatusOr<X25519KeyPair> Create(Random& random);
  // For known-answer tests and key files; 32 bytes.
  static absl::StatusOr<X25519KeyPair> FromPrivate(secret::SecretBytes private_key);

  const PublicKey& public_key() const { return public_; }
  // 32 bytes shared with the holder of `theirs`; INVALID_ARGUMENT for a point of low order.
  absl::StatusOr<secret::SecretBytes> Agree(const PublicKey& theirs) const;

 private:
  explicit X25519KeyPair(secret::SecretBytes private_key) : private_(std::move(private_key)) {}
  secret::SecretBytes private_;
  PublicKey public_{};
};

// INVALID_ARGUMENT naming `field` unless `bytes` are the 32 of a public key.
absl::StatusOr<PublicKey> ParsePublicKey(std::string_view field, std::string_view bytes);

}  // namespace flattone::crypto
