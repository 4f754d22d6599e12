// AES-256-GCM (NIST SP 800-38D) with additional data, over OpenSSL's EVP: what is stored at rest is sealed
// with it. The caller brings the nonce; envelope.h chooses one per record.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/secret/bytes.h"

namespace flattone::crypto {

inline constexpr size_t kAesKeyBytes = 32;
inline constexpr size_t kGcmNonceBytes = 12;
inline constexpr size_t kGcmTagBytes = 16;

using GcmNonce = std::array<uint8_t, kGcmNonceBytes>;

// ciphertext || tag. `key` has 32 bytes; one nonce is never used twice with one key. Any thread.
absl::StatusOr<std::string> AesGcmSeal(const secret::SecretBytes& key, const GcmNonce& nonce,
                                       std::span<const uint8_t> aad, std::span<const uint8_t> plain);

// The plaintext, in locked memory. INVALID_ARGUMENT (code "not_authentic") when the key, the nonce, the
// additional data or a bit of `sealed` is not what it was; no plaintext is released then.
absl::StatusOr<secret::SecretBytes> AesGcmOpen(const secret::SecretBytes& key, const GcmNonce& nonce,
                                               std::span<const uint8_t> aad, std::span<const uint8_t> sealed);

// The Status for everything that does not open.
absl::Status NotAuthentic(const char* what);

}  // namespace flattone::crypto
