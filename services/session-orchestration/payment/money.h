// Amounts and currencies: ISO 4217 minor units, limits, and the words of an error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace flattone::session {

inline constexpr int64_t kMaxAmountMinor = 99'999'999'999;

struct Money {
  int64_t amount_minor = 0;
  std::string currency;  // ISO 4217 alphabetic code
  bool operator==(const Money&) const = default;
};

// Digits after the decimal point of a currency that can be charged (EUR 2, JPY 0, KWD 3); nullopt for others:
// unknown codes, funds codes, metals.
std::optional<int> MinorUnits(std::string_view currency);

// INVALID_ARGUMENT: `field`.currency_code unknown (code "currency_unknown"), `field`.amount_minor not in
// 1..min(limit_minor, 99999999999) (code "amount_out_of_range"). limit_minor <= 0: no limit of the tenant's own.
absl::Status CheckMoney(std::string_view field, const Money& money, int64_t limit_minor);

}  // namespace flattone::session
