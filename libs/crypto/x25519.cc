#include "libs/crypto/x25519.h"

#include <sodium.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::crypto {

using secret::ClearCardAccess;
using secret::SecretBytes;

absl::StatusOr<X25519KeyPair> X25519KeyPair::Create(Random& random) {
  auto bytes = SecretBytes::Random(random, crypto_scalarmult_SCALARBYTES);
  if (!bytes.ok()) return bytes.status();
  return FromPrivate(std::move(*bytes));
}

absl::StatusOr<X25519KeyPair> X25519KeyPair::FromPrivate(SecretBytes private_key) {
  if (private_key.size() != crypto_scalarmult_SCALARBYTES) return absl::InvalidArgumentError("an X25519 key has 32 bytes");
  static const bool ready = sodium_init() >= 0;  // picks the fast implementations
  if (!ready) return absl::InternalError("libsodium does not start");
  X25519KeyPair pair(std::move(private_key));
  crypto_scalarmult_base(pair.public_.data(), pair.private_.Reveal(ClearCardAccess("derive the public half")).data());
  return pair;
}

absl::StatusOr<SecretBytes> X25519KeyPair::Agree(const PublicKey& theirs) const {
  auto shared = SecretBytes::Create(crypto_scalarmult_BYTES);
  if (!shared.ok() || !shared->Resize(crypto_scalarmult_BYTES)) return shared.status();
  const ClearCardAccess access("X25519 agreement");
  if (crypto_scalarmult(shared->RevealMutable(access).data(), private_.Reveal(access).data(), theirs.data()) != 0) {
    return Refusal(absl::StatusCode::kInvalidArgument, {.code = "weak_public_key"}, "the public key is a point of low order");
  }
  return shared;
}

absl::StatusOr<PublicKey> ParsePublicKey(std::string_view field, std::string_view bytes) {
  PublicKey key;
  if (bytes.size() != key.size()) {
    return InvalidField(field, absl::StrCat("has ", bytes.size(), " bytes"), "an X25519 public key of 32 bytes");
  }
  std::memcpy(key.data(), bytes.data(), key.size());
  return key;
}

}  // namespace flattone::crypto
