// SHA-256, HMAC-SHA-256 (RFC 2104) and HKDF-SHA-256 (RFC 5869), over libsodium: no allocation, state on the
// stack and wiped. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/secret/bytes.h"

namespace flattone::crypto {

using Digest = std::array<uint8_t, 32>;
using Bytes = std::span<const uint8_t>;

inline Bytes AsBytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
inline std::string_view AsText(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

Digest Sha256(Bytes data);
// Over the parts one after the other.
Digest HmacSha256(Bytes key, std::initializer_list<Bytes> parts);

// `size` bytes (up to 8160) of key material from `secret`.
absl::StatusOr<secret::SecretBytes> HkdfSha256(const secret::SecretBytes& secret, Bytes salt, Bytes info, size_t size);

// The steps, for schemes built of them. `out` has at most 8160 bytes.
Digest HkdfExtract(Bytes salt, std::initializer_list<Bytes> secret);
void HkdfExpand(const Digest& key, std::initializer_list<Bytes> info, std::span<uint8_t> out);

}  // namespace flattone::crypto
