// How a card leaves the vault: sealed to the X25519 key of one adapter process, for one attempt.
//
//   vault:    SealCard(random, adapter_public, {tenant, token, attempt}, card)
//   adapter:  OpenCard(its key pair, the same context, sealed)
//
// The plaintext has one fixed size, so the sealed card tells neither length of number nor whether it holds a
// security code.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/random.h"
#include "libs/crypto/x25519.h"
#include "libs/secret/secret.h"

namespace flattone::crypto {

// A card in clear, for as long as somebody needs it: only ever inside a Secret. Text is ASCII digits
// (postcode: letters too), not terminated; a size of 0 means absent.
struct ClearCard {
  uint8_t pan_size = 0;
  std::array<char, 19> pan{};
  uint8_t expiry_month = 0;  // 1-12, 0 absent
  uint8_t expiry_year = 0;   // two digits: 27 is 2027
  uint8_t security_code_size = 0;
  std::array<char, 4> security_code{};
  uint8_t postcode_size = 0;
  std::array<char, 10> postcode{};

  std::string_view pan_text() const { return {pan.data(), pan_size}; }
  std::string_view security_code_text() const { return {security_code.data(), security_code_size}; }
  std::string_view postcode_text() const { return {postcode.data(), postcode_size}; }
};
using SecretCard = secret::Secret<ClearCard>;

struct CardContext {
  std::string_view tenant;
  std::string_view token;
  std::string_view attempt;
};

// Any thread.
absl::StatusOr<std::string> SealCard(Random& random, const PublicKey& adapter, const CardContext& context, const SecretCard& card);

// INVALID_ARGUMENT (code "not_authentic") unless it was sealed to this key for exactly this. Any thread.
absl::StatusOr<SecretCard> OpenCard(const X25519KeyPair& adapter, const CardContext& context, std::string_view sealed);

}  // namespace flattone::crypto
