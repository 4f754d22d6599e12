// How one key press travels from the masker to the vault. The vault makes an X25519KeyPair per capture in
// locked memory; the masker fetches the public half from the vault and seals each press to it:
//
//   masker:  SealKeyPress(random, capture_public, {tenant, capture, epoch, ordinal, onset}, symbol)
//   vault:   OpenKeyPress(capture_pair, same context, sealed)
//
// The message is HPKE with an ephemeral key per press (hpke.h). The symbol is the plaintext; everything in
// the context is bound, so a press moved to another tenant, capture, epoch, place or time does not open.
// All messages have one length: nothing about the symbol shows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/random.h"
#include "libs/crypto/x25519.h"
#include "libs/secret/secret.h"

namespace flattone::crypto {

struct KeyPressContext {
  std::string_view tenant;
  std::string_view capture;
  uint64_t epoch = 0;    // of the masker's stream: a masker that takes over has a greater one
  uint64_t ordinal = 0;  // 1, 2, 3 … within the epoch
  uint32_t onset = 0;    // RTP timestamp at which the press begins
};

inline constexpr size_t kSealedKeyPressBytes = 32 + 1 + 16;

// `symbol` is one of 0-9 * # A-D; INVALID_ARGUMENT else. A repeat of a press sends the same sealed bytes or
// seals again, either is well. Any thread.
absl::StatusOr<std::string> SealKeyPress(Random& random, const PublicKey& capture, const KeyPressContext& context,
                                         const secret::Secret<char>& symbol);

// INVALID_ARGUMENT (code "not_authentic") unless it was sealed for exactly this. Any thread.
absl::StatusOr<secret::Secret<char>> OpenKeyPress(const X25519KeyPair& capture, const KeyPressContext& context,
                                                  std::string_view sealed);

}  // namespace flattone::crypto
