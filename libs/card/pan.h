// A primary account number, complete and checked, in locked memory.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "libs/card/brand.h"
#include "libs/secret/bytes.h"

namespace flattone::card {

enum class PanCheck { kGood, kTooShort, kTooLong, kWrongLength, kCheckDigit };

// The verdict on the digits of a finished field, by the rules of their brand. Constant time in the digits
// after the first six (BIN).
PanCheck CheckPan(std::string_view digits);

class Pan {
 public:
  // INVALID_ARGUMENT (code "card_number_invalid") without the digits when CheckPan is not kGood.
  static absl::StatusOr<Pan> FromDigits(secret::SecretBytes digits);

  const secret::SecretBytes& digits() const { return digits_; }
  Brand brand() const { return brand_; }
  // What may be shown and stored in clear: first six and last four. PCI DSS 3.4.1 would allow eight of a longer
  // number, but then seven digits in a row would stand in databases, and a leak could not be told from them.
  const std::string& bin() const { return bin_; }
  const std::string& last_four() const { return last_four_; }

 private:
  explicit Pan(secret::SecretBytes digits) : digits_(std::move(digits)) {}
  secret::SecretBytes digits_;
  Brand brand_ = Brand::kUnknown;
  std::string bin_;
  std::string last_four_;
};

}  // namespace flattone::card
