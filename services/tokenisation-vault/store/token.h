// A token's row: what may be known of a card outside, and the sealed rest.
#pragma once

#include <cstdint>
#include <string>

#include "libs/card/brand.h"

namespace flattone::vault {

enum class TokenPurpose { kPayment = 1, kTokenise = 2 };

struct TokenRow {
  std::string token;
  std::string tenant;
  std::string capture;
  TokenPurpose purpose = TokenPurpose::kPayment;
  card::Brand brand = card::Brand::kUnknown;
  std::string bin;
  std::string last_four;
  std::string fingerprint;
  uint32_t key_version = 0;
  std::string sealed_card;  // empty once destroyed
  int64_t created_ms = 0;
  int64_t expires_ms = 0;
  int64_t destroyed_ms = 0;  // 0: alive
  int64_t opens = 0;
  // Where the security code is held, and until when at the latest; 0: nowhere.
  int64_t code_until_ms = 0;
  std::string code_replica;
  std::string code_address;
};

}  // namespace flattone::vault
