#include "libs/crypto/signing.h"

#include <sodium.h>

namespace flattone::crypto {

using secret::ClearCardAccess;
using secret::SecretBytes;

absl::StatusOr<SigningKey> SigningKey::Create(Random& random) {
  auto seed = SecretBytes::Random(random, crypto_sign_SEEDBYTES);
  if (!seed.ok()) return seed.status();
  return FromSeed(*seed);
}

absl::StatusOr<SigningKey> SigningKey::FromSeed(const SecretBytes& seed) {
  if (seed.size() != crypto_sign_SEEDBYTES) return absl::InvalidArgumentError("an Ed25519 seed has 32 bytes");
  auto copy = seed.Clone();
  if (!copy.ok()) return copy.status();
  auto expanded = SecretBytes::Create(crypto_sign_SECRETKEYBYTES);
  if (!expanded.ok() || !expanded->Resize(crypto_sign_SECRETKEYBYTES)) return expanded.status();
  SigningKey key;
  const ClearCardAccess access("expand the signing key");
  crypto_sign_seed_keypair(key.public_.data(), expanded->RevealMutable(access).data(), seed.Reveal(access).data());
  key.seed_ = std::move(*copy);
  key.expanded_ = std::move(*expanded);
  return key;
}

std::string SigningKey::Sign(Bytes message) const {
  std::string signature(crypto_sign_BYTES, '\0');
  crypto_sign_detached(reinterpret_cast<uint8_t*>(signature.data()), nullptr, message.data(), message.size(),
                       expanded_.Reveal(ClearCardAccess("sign a record")).data());
  return signature;
}

bool Verify(const SigningPublicKey& key, Bytes message, std::string_view signature) {
  return signature.size() == crypto_sign_BYTES &&
         crypto_sign_verify_detached(reinterpret_cast<const uint8_t*>(signature.data()), message.data(), message.size(),
                                     key.data()) == 0;
}

}  // namespace flattone::crypto
