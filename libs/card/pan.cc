#include "libs/card/pan.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/card/luhn.h"

namespace flattone::card {

PanCheck CheckPan(std::string_view digits) {
  const BrandRules& rules = BrandOf(digits);
  const int count = static_cast<int>(digits.size());
  if (count < rules.shortest()) return PanCheck::kTooShort;
  if (count > rules.longest()) return PanCheck::kTooLong;
  if (!rules.Allows(count)) return PanCheck::kWrongLength;
  return rules.luhn && !LuhnValid(digits) ? PanCheck::kCheckDigit : PanCheck::kGood;
}

absl::StatusOr<Pan> Pan::FromDigits(secret::SecretBytes digits) {
  const std::string_view text = digits.RevealText(secret::ClearCardAccess("check a card number, take BIN and last four"));
  for (char digit : text) {
    if (digit < '0' || digit > '9') return InvalidField("pan", "has something else than digits", "12 to 19 digits");
  }
  if (CheckPan(text) != PanCheck::kGood) {
    return Refusal(absl::StatusCode::kInvalidArgument,
                   {.code = "card_number_invalid", .field = "pan", .fix = "ask for the number again"},
                   absl::StrCat("the card number of ", text.size(), " digits has a wrong length or check digit"));
  }
  const Brand brand = BrandOf(text).brand;
  std::string bin(text.substr(0, 6));
  std::string last_four(text.substr(text.size() - 4));
  Pan pan(std::move(digits));
  pan.brand_ = brand;
  pan.bin_ = std::move(bin);
  pan.last_four_ = std::move(last_four);
  return pan;
}

}  // namespace flattone::card
