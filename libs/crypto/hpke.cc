#include "libs/crypto/hpke.h"

#include <sodium.h>

#include <cstring>

#include "libs/crypto/aead.h"

namespace flattone::crypto {
namespace {

using secret::ClearCardAccess;
using secret::SecretBytes;

constexpr std::string_view kVersion = "HPKE-v1";
constexpr std::string_view kKemSuite{"KEM\x00\x20", 5};
constexpr std::string_view kHpkeSuite{"HPKE\x00\x20\x00\x01\x00\x03", 10};

// Key and nonce of one message, in locked memory: 32 + 12 bytes.
constexpr size_t kKeyBytes = crypto_aead_chacha20poly1305_IETF_KEYBYTES;
constexpr size_t kNonceBytes = crypto_aead_chacha20poly1305_IETF_NPUBBYTES;

Digest LabeledExtract(Bytes salt, std::string_view suite, std::string_view label, Bytes ikm) {
  return HkdfExtract(salt, {AsBytes(kVersion), AsBytes(suite), AsBytes(label), ikm});
}

void LabeledExpand(const Digest& key, std::string_view suite, std::string_view label, std::initializer_list<Bytes> info,
                   std::span<uint8_t> out) {
  const uint8_t length[2] = {static_cast<uint8_t>(out.size() >> 8), static_cast<uint8_t>(out.size())};
  Bytes parts[2] = {};
  size_t count = 0;
  for (Bytes part : info) parts[count++] = part;
  HkdfExpand(key, {Bytes(length, 2), AsBytes(kVersion), AsBytes(suite), AsBytes(label), parts[0], parts[1]}, out);
}

// RFC 9180, 4.1 and 5.1: from the agreed point to key || nonce.
absl::StatusOr<SecretBytes> Schedule(const SecretBytes& agreed, const PublicKey& enc, const PublicKey& recipient, Bytes info) {
  const ClearCardAccess access("HPKE key schedule");
  auto keys = SecretBytes::Create(kKeyBytes + kNonceBytes);
  if (!keys.ok() || !keys->Resize(kKeyBytes + kNonceBytes)) return keys.status();

  Digest eae = LabeledExtract({}, kKemSuite, "eae_prk", agreed.Reveal(access));
  Digest shared{};
  LabeledExpand(eae, kKemSuite, "shared_secret", {Bytes(enc), Bytes(recipient)}, shared);

  const Digest psk_id = LabeledExtract({}, kHpkeSuite, "psk_id_hash", {});
  const Digest info_hash = LabeledExtract({}, kHpkeSuite, "info_hash", info);
  uint8_t context[1 + 32 + 32] = {0};  // mode_base
  std::memcpy(context + 1, psk_id.data(), 32);
  std::memcpy(context + 33, info_hash.data(), 32);

  Digest secret = LabeledExtract(shared, kHpkeSuite, "secret", {});
  auto out = keys->RevealMutable(access);
  LabeledExpand(secret, kHpkeSuite, "key", {Bytes(context)}, out.first(kKeyBytes));
  LabeledExpand(secret, kHpkeSuite, "base_nonce", {Bytes(context)}, out.subspan(kKeyBytes));
  sodium_memzero(eae.data(), eae.size());
  sodium_memzero(shared.data(), shared.size());
  sodium_memzero(secret.data(), secret.size());
  return keys;
}

}  // namespace

absl::StatusOr<std::string> HpkeSealWith(const X25519KeyPair& ephemeral, const PublicKey& recipient, Bytes info, Bytes aad,
                                         Bytes plain) {
  auto agreed = ephemeral.Agree(recipient);
  if (!agreed.ok()) return agreed.status();
  auto keys = Schedule(*agreed, ephemeral.public_key(), recipient, info);
  if (!keys.ok()) return keys.status();
  const Bytes key = keys->Reveal(ClearCardAccess("seal one message"));
  std::string out(kHpkeOverhead + plain.size(), '\0');
  auto* bytes = reinterpret_cast<uint8_t*>(out.data());
  std::memcpy(bytes, ephemeral.public_key().data(), 32);
  crypto_aead_chacha20poly1305_ietf_encrypt(bytes + 32, nullptr, plain.data(), plain.size(), aad.data(), aad.size(), nullptr,
                                            key.data() + kKeyBytes, key.data());
  return out;
}

absl::StatusOr<std::string> HpkeSeal(Random& random, const PublicKey& recipient, Bytes info, Bytes aad, Bytes plain) {
  auto ephemeral = X25519KeyPair::Create(random);
  if (!ephemeral.ok()) return ephemeral.status();
  return HpkeSealWith(*ephemeral, recipient, info, aad, plain);
}

absl::StatusOr<SecretBytes> HpkeOpen(const X25519KeyPair& recipient, Bytes info, Bytes aad, std::string_view sealed) {
  if (sealed.size() < kHpkeOverhead) return NotAuthentic("message");
  PublicKey enc;
  std::memcpy(enc.data(), sealed.data(), enc.size());
  auto agreed = recipient.Agree(enc);
  if (!agreed.ok()) return NotAuthentic("message");
  auto keys = Schedule(*agreed, enc, recipient.public_key(), info);
  if (!keys.ok()) return keys.status();
  auto plain = SecretBytes::Create(sealed.size() - kHpkeOverhead);
  if (!plain.ok() || !plain->Resize(sealed.size() - kHpkeOverhead)) return plain.status();
  const ClearCardAccess access("open one message");
  const Bytes key = keys->Reveal(access);
  const Bytes cipher = AsBytes(sealed.substr(32));
  if (crypto_aead_chacha20poly1305_ietf_decrypt(plain->RevealMutable(access).data(), nullptr, nullptr, cipher.data(),
                                                cipher.size(), aad.data(), aad.size(), key.data() + kKeyBytes,
                                                key.data()) != 0) {
    return NotAuthentic("message");
  }
  return plain;
}

}  // namespace flattone::crypto
