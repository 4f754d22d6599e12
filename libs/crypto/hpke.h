// Sealing to a public key: HPKE (RFC 9180) in base mode, single shot, with DHKEM(X25519, HKDF-SHA256),
// HKDF-SHA256 and ChaCha20-Poly1305. Each message has an ephemeral key of its own, wiped when the message is
// made: whoever takes the sender's memory later reads nothing, and no nonce can repeat.
//
// Cost, measured (crypto_bench): about 90 µs to seal (two scalar multiplications), 45 µs to open.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/random.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/x25519.h"
#include "libs/secret/bytes.h"

namespace flattone::crypto {

inline constexpr size_t kHpkeOverhead = 32 + 16;  // encapsulated key, tag

// encapsulated key || ciphertext || tag. `info` and `aad` are bound, not sent. Any thread.
absl::StatusOr<std::string> HpkeSeal(Random& random, const PublicKey& recipient, Bytes info, Bytes aad, Bytes plain);

// INVALID_ARGUMENT (code "not_authentic") for anything but what HpkeSeal made for this key, info and aad.
absl::StatusOr<secret::SecretBytes> HpkeOpen(const X25519KeyPair& recipient, Bytes info, Bytes aad, std::string_view sealed);

// HpkeSeal with a given ephemeral key, for the known-answer test.
absl::StatusOr<std::string> HpkeSealWith(const X25519KeyPair& ephemeral, const PublicKey& recipient, Bytes info, Bytes aad,
                                         Bytes plain);

}  // namespace flattone::crypto
