#include "libs/crypto/digest.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "libs/base/check.h"

namespace flattone::crypto {

Digest Sha256(Bytes data) {
  Digest digest;
  crypto_hash_sha256(digest.data(), data.data(), data.size());
  return digest;
}

Digest HmacSha256(Bytes key, std::initializer_list<Bytes> parts) {
  crypto_auth_hmacsha256_state state;
  const uint8_t none = 0;  // an empty salt may have no address, which libsodium's declaration forbids
  crypto_auth_hmacsha256_init(&state, key.empty() ? &none : key.data(), key.size());
  for (Bytes part : parts) {
    if (!part.empty()) crypto_auth_hmacsha256_update(&state, part.data(), part.size());
  }
  Digest digest;
  crypto_auth_hmacsha256_final(&state, digest.data());
  sodium_memzero(&state, sizeof state);
  return digest;
}

Digest HkdfExtract(Bytes salt, std::initializer_list<Bytes> secret) { return HmacSha256(salt, secret); }

void HkdfExpand(const Digest& key, std::initializer_list<Bytes> info, std::span<uint8_t> out) {
  FT_DCHECK(out.size() <= 255 * 32, "HKDF gives at most 8160 bytes");
  Digest block{};
  size_t done = 0;
  for (uint8_t counter = 1; done < out.size(); ++counter) {
    crypto_auth_hmacsha256_state state;
    const uint8_t none = 0;  // an empty salt may have no address, which libsodium's declaration forbids
  crypto_auth_hmacsha256_init(&state, key.empty() ? &none : key.data(), key.size());
    if (counter > 1) crypto_auth_hmacsha256_update(&state, block.data(), block.size());
    for (Bytes part : info) crypto_auth_hmacsha256_update(&state, part.data(), part.size());
    crypto_auth_hmacsha256_update(&state, &counter, 1);
    crypto_auth_hmacsha256_final(&state, block.data());
    sodium_memzero(&state, sizeof state);
    const size_t take = std::min(block.size(), out.size() - done);
    std::memcpy(out.data() + done, block.data(), take);
    done += take;
  }
  sodium_memzero(block.data(), block.size());
}

absl::StatusOr<secret::SecretBytes> HkdfSha256(const secret::SecretBytes& secret, Bytes salt, Bytes info, size_t size) {
  if (size > 255 * 32) return absl::InvalidArgumentError("HKDF-SHA-256 gives at most 8160 bytes");
  auto out = secret::SecretBytes::Create(size);
  if (!out.ok() || !out->Resize(size)) return out.status();
  const secret::ClearCardAccess access("input and output of HKDF");
  Digest key = HkdfExtract(salt, {secret.Reveal(access)});
  HkdfExpand(key, {info}, out->RevealMutable(access));
  sodium_memzero(key.data(), key.size());
  return out;
}

}  // namespace flattone::crypto
