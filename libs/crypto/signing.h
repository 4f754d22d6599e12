// Ed25519 signatures (RFC 8032), the private key in locked memory: for the vault's audit chain.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/random.h"
#include "libs/crypto/digest.h"
#include "libs/secret/bytes.h"

namespace flattone::crypto {

using SigningPublicKey = std::array<uint8_t, 32>;

class SigningKey {
 public:
  static absl::StatusOr<SigningKey> Create(Random& random);
  // From the 32-byte seed that seed() gives.
  static absl::StatusOr<SigningKey> FromSeed(const secret::SecretBytes& seed);

  const SigningPublicKey& public_key() const { return public_; }
  const secret::SecretBytes& seed() const { return seed_; }
  // 64 bytes. Any thread.
  std::string Sign(Bytes message) const;

 private:
  SigningKey() = default;
  secret::SecretBytes seed_;
  secret::SecretBytes expanded_;
  SigningPublicKey public_{};
};

bool Verify(const SigningPublicKey& key, Bytes message, std::string_view signature);

}  // namespace flattone::crypto
