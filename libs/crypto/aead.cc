#include "libs/crypto/aead.h"

#include <openssl/evp.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::crypto {
namespace {

using secret::ClearCardAccess;
using secret::SecretBytes;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

// Fetched once: an implicit fetch per call costs more than the encryption.
const EVP_CIPHER* Aes256Gcm() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return cipher;
}

absl::Status Broken(const char* what) { return absl::InternalError(absl::StrCat("AES-256-GCM: ", what, " failed")); }

absl::StatusOr<Cipher> Begin(const SecretBytes& key, const GcmNonce& nonce, std::span<const uint8_t> aad, int encrypt) {
  if (key.size() != kAesKeyBytes) return absl::InternalError("AES-256-GCM takes a key of 32 bytes");
  Cipher cipher(EVP_CIPHER_CTX_new());
  int written = 0;
  const ClearCardAccess access("key of the cipher");
  if (cipher == nullptr || Aes256Gcm() == nullptr ||
      EVP_CipherInit_ex2(cipher.get(), Aes256Gcm(), key.Reveal(access).data(), nonce.data(), encrypt, nullptr) != 1 ||
      EVP_CipherUpdate(cipher.get(), nullptr, &written, aad.data(), static_cast<int>(aad.size())) != 1) {
    return Broken("start");
  }
  return cipher;
}

}  // namespace

absl::Status NotAuthentic(const char* what) {
  return Refusal(absl::StatusCode::kInvalidArgument, {.code = "not_authentic"},
                 absl::StrCat(what, " does not open: it was changed, moved, or sealed for something else"));
}

absl::StatusOr<std::string> AesGcmSeal(const SecretBytes& key, const GcmNonce& nonce, std::span<const uint8_t> aad,
                                       std::span<const uint8_t> plain) {
  auto cipher = Begin(key, nonce, aad, 1);
  if (!cipher.ok()) return cipher.status();
  std::string out(plain.size() + kGcmTagBytes, '\0');
  auto* bytes = reinterpret_cast<uint8_t*>(out.data());
  int written = 0, last = 0;
  if (EVP_CipherUpdate(cipher->get(), bytes, &written, plain.data(), static_cast<int>(plain.size())) != 1 ||
      EVP_CipherFinal_ex(cipher->get(), bytes + written, &last) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher->get(), EVP_CTRL_AEAD_GET_TAG, kGcmTagBytes, bytes + plain.size()) != 1) {
    return Broken("seal");
  }
  return out;
}

absl::StatusOr<SecretBytes> AesGcmOpen(const SecretBytes& key, const GcmNonce& nonce, std::span<const uint8_t> aad,
                                       std::span<const uint8_t> sealed) {
  if (sealed.size() < kGcmTagBytes) return NotAuthentic("ciphertext");
  auto cipher = Begin(key, nonce, aad, 0);
  if (!cipher.ok()) return cipher.status();
  const size_t size = sealed.size() - kGcmTagBytes;
  auto plain = SecretBytes::Create(size);
  if (!plain.ok() || !plain->Resize(size)) return plain.status();
  uint8_t* bytes = plain->RevealMutable(ClearCardAccess("decrypt into locked memory")).data();
  int written = 0, last = 0;
  auto* tag = const_cast<uint8_t*>(sealed.data() + size);
  if (EVP_CipherUpdate(cipher->get(), bytes, &written, sealed.data(), static_cast<int>(size)) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher->get(), EVP_CTRL_AEAD_SET_TAG, kGcmTagBytes, tag) != 1 ||
      EVP_CipherFinal_ex(cipher->get(), bytes + written, &last) != 1) {
    return NotAuthentic("ciphertext");
  }
  return plain;
}

}  // namespace flattone::crypto
