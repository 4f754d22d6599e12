// Hex for known-answer tests.
#pragma once

#include <string>

#include "absl/strings/escaping.h"
#include "libs/crypto/digest.h"
#include "libs/secret/bytes.h"

namespace flattone::crypto {

inline std::string Hex(const char* hex) { return absl::HexStringToBytes(hex); }
inline std::string ToHex(std::string_view bytes) { return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size())); }
inline std::string ToHex(Bytes bytes) { return ToHex(AsText(bytes)); }
inline secret::SecretBytes SecretHex(const char* hex) {
  return std::move(secret::SecretBytes::CopyOf(std::string_view(Hex(hex))).value());
}
inline const secret::ClearCardAccess kTest("a test looks at its own bytes");

}  // namespace flattone::crypto
