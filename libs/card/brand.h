// Card brands by the first digits: which lengths a number may have and how long the security code is.
// Ranges are what the schemes publish; a number of no known range is kUnknown and may have 12 to 19 digits.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace flattone::card {

enum class Brand { kUnknown, kVisa, kMastercard, kAmex, kDiscover, kDiners, kJcb, kMaestro, kUnionPay };

inline constexpr int kMinPanDigits = 12;
inline constexpr int kMaxPanDigits = 19;

struct BrandRules {
  Brand brand = Brand::kUnknown;
  uint32_t lengths = 0;          // bit n set: a number may have n digits
  int security_code_digits = 3;  // 4 for American Express
  bool luhn = true;              // some UnionPay numbers carry no check digit

  bool Allows(int digits) const { return digits >= 0 && digits < 32 && (lengths >> digits & 1) != 0; }
  int longest() const;
  int shortest() const;
  // The one length that ends the field by itself; nullopt where several are possible.
  std::optional<int> only_length() const;
};

// The brand of the digits so far (any number of them). While they are too few to decide, kUnknown with the
// rules of an unknown brand. The prefix is public (BIN); no constant time is needed.
const BrandRules& BrandOf(std::string_view digits);
const BrandRules& RulesOf(Brand brand);

// "visa", "mastercard", "american_express", …; "unknown".
std::string_view BrandName(Brand brand);
// The inverse; nullopt for another name.
std::optional<Brand> BrandFromName(std::string_view name);

}  // namespace flattone::card
