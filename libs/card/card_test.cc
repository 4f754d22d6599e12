#include <map>
#include <string>

#include "libs/base/error.h"
#include "libs/card/brand.h"
#include "libs/card/expiry.h"
#include "libs/card/luhn.h"
#include "libs/card/pan.h"
#include "libs/card/postcode.h"
#include "libs/card/security_code.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::card {
namespace {

using secret::SecretBytes;

// A number of `length` digits with this prefix and a right check digit.
std::string Number(std::string prefix, size_t length) {
  while (prefix.size() + 1 < length) prefix.push_back(static_cast<char>('0' + prefix.size() % 10));
  return prefix + LuhnDigit(prefix);
}

TEST_CASE("Luhn: the published examples, and each digit changed or each unequal pair swapped is caught") {
  CHECK(LuhnValid("79927398713"));
  CHECK(LuhnDigit("7992739871") == '3');
  CHECK_FALSE(LuhnValid("79927398710"));
  CHECK_FALSE(LuhnValid("0"));
  const std::string good = Number("4000", 16);
  REQUIRE(LuhnValid(good));
  for (size_t i = 0; i < good.size(); ++i) {
    for (char digit = '0'; digit <= '9'; ++digit) {
      std::string changed = good;
      changed[i] = digit;
      CHECK(LuhnValid(changed) == (digit == good[i]));
    }
  }
  CHECK_FALSE(LuhnValid("79927938713"));  // 39 and 93 swapped
}

TEST_CASE("brands by prefix, edges of their ranges included") {
  const std::map<std::string, Brand> expected = {
      {"4", Brand::kVisa},          {"51", Brand::kMastercard},   {"55", Brand::kMastercard},  {"2221", Brand::kMastercard},
      {"2720", Brand::kMastercard}, {"34", Brand::kAmex},         {"37", Brand::kAmex},        {"6011", Brand::kDiscover},
      {"644", Brand::kDiscover},    {"65", Brand::kDiscover},     {"36", Brand::kDiners},      {"300", Brand::kDiners},
      {"305", Brand::kDiners},      {"3095", Brand::kDiners},     {"38", Brand::kDiners},      {"3528", Brand::kJcb},
      {"3589", Brand::kJcb},        {"50", Brand::kMaestro},      {"56", Brand::kMaestro},     {"67", Brand::kMaestro},
      {"621", Brand::kUnionPay},    {"622126", Brand::kUnionPay}, {"81", Brand::kUnknown},     {"810", Brand::kUnionPay},
      {"2220", Brand::kUnknown},    {"2721", Brand::kUnknown},    {"3", Brand::kUnknown},      {"6", Brand::kUnknown},
      {"60", Brand::kUnknown},      {"3527", Brand::kUnknown},    {"9", Brand::kUnknown},      {"", Brand::kUnknown},
      {"22", Brand::kUnknown},      {"603", Brand::kMaestro},     {"5", Brand::kUnknown}};
  for (const auto& [prefix, brand] : expected) {
    CAPTURE(prefix);
    CHECK(BrandName(BrandOf(prefix).brand) == BrandName(brand));
  }
}

TEST_CASE("a brand never changes into another once it is known") {
  testing::SeededRandom random(11);
  for (int i = 0; i < 20000; ++i) {
    std::string digits;
    Brand known = Brand::kUnknown;
    for (int n = 0; n < 10; ++n) {
      digits.push_back(static_cast<char>('0' + random.Below(10)));
      const Brand brand = BrandOf(digits).brand;
      if (known != Brand::kUnknown) REQUIRE(brand == known);
      known = brand;
    }
  }
}

TEST_CASE("lengths and security code by brand") {
  CHECK(RulesOf(Brand::kMastercard).only_length() == 16);
  CHECK(RulesOf(Brand::kAmex).only_length() == 15);
  CHECK(RulesOf(Brand::kAmex).security_code_digits == 4);
  CHECK_FALSE(RulesOf(Brand::kVisa).only_length().has_value());
  CHECK(RulesOf(Brand::kVisa).longest() == 19);
  CHECK(RulesOf(Brand::kVisa).shortest() == 13);
  CHECK(BrandFromName("visa") == Brand::kVisa);
  CHECK_FALSE(BrandFromName("visas").has_value());
}

TEST_CASE("a finished number is judged by its brand") {
  CHECK(CheckPan(Number("4", 16)) == PanCheck::kGood);
  CHECK(CheckPan(Number("4", 13)) == PanCheck::kGood);
  CHECK(CheckPan(Number("4", 19)) == PanCheck::kGood);
  CHECK(CheckPan(Number("4", 14)) == PanCheck::kWrongLength);
  CHECK(CheckPan(Number("4", 12)) == PanCheck::kTooShort);
  CHECK(CheckPan(Number("2221", 16)) == PanCheck::kGood);
  CHECK(CheckPan(Number("51", 17)) == PanCheck::kTooLong);
  CHECK(CheckPan(Number("37", 15)) == PanCheck::kGood);
  std::string wrong = Number("4", 16);
  wrong.back() = wrong.back() == '9' ? '0' : static_cast<char>(wrong.back() + 1);
  CHECK(CheckPan(wrong) == PanCheck::kCheckDigit);
  std::string unionpay = Number("62", 16);
  unionpay.back() = unionpay.back() == '9' ? '0' : static_cast<char>(unionpay.back() + 1);
  CHECK(CheckPan(unionpay) == PanCheck::kGood);
}

TEST_CASE("a Pan shows brand, BIN and last four only; a bad one is refused without its digits") {
  const std::string number = Number("4", 16);
  auto pan = Pan::FromDigits(std::move(SecretBytes::CopyOf(std::string_view(number)).value()));
  REQUIRE(pan.ok());
  CHECK(pan->brand() == Brand::kVisa);
  CHECK(pan->bin() == number.substr(0, 6));
  CHECK(pan->last_four() == number.substr(12));
  CHECK(Pan::FromDigits(std::move(SecretBytes::CopyOf(std::string_view(Number("37", 15))).value()))->bin().size() == 6);
  std::string wrong = number;
  wrong[5] = wrong[5] == '9' ? '0' : '9';
  const auto refused = Pan::FromDigits(std::move(SecretBytes::CopyOf(std::string_view(wrong)).value()));
  CHECK(DetailOf(refused.status())->code == "card_number_invalid");
  CHECK(std::string(refused.status().message()).find(wrong.substr(0, 4)) == std::string::npos);
  CHECK_FALSE(Pan::FromDigits(std::move(SecretBytes::CopyOf(std::string_view("4000 0000 0000 0")).value())).ok());
}

TEST_CASE("expiry dates: the month itself is good, the one before is not, wherever the caller is") {
  absl::Time now;
  REQUIRE(absl::ParseTime(absl::RFC3339_full, "2026-02-01T11:00:00Z", &now, nullptr));
  CHECK(CheckExpiry("0126", now) == ExpiryCheck::kGood);  // still January at UTC-12
  CHECK(CheckExpiry("0126", now + absl::Hours(2)) == ExpiryCheck::kExpired);
  CHECK(CheckExpiry("0226", now) == ExpiryCheck::kGood);
  CHECK(CheckExpiry("1225", now) == ExpiryCheck::kExpired);
  CHECK(CheckExpiry("0146", now) == ExpiryCheck::kGood);
  CHECK(CheckExpiry("0347", now) == ExpiryCheck::kTooFar);
  CHECK(CheckExpiry("1399", now) == ExpiryCheck::kNoSuchMonth);
  CHECK(CheckExpiry("0026", now) == ExpiryCheck::kNoSuchMonth);
  CHECK(CheckExpiry("126", now) == ExpiryCheck::kIncomplete);
  CHECK(CheckExpiry("12260", now) == ExpiryCheck::kIncomplete);
  CHECK(ParseExpiry("1230")->year == 30);
  CHECK_FALSE(ParseExpiry("12a0").has_value());
  REQUIRE(absl::ParseTime(absl::RFC3339_full, "2099-06-15T00:00:00Z", &now, nullptr));
  CHECK(CheckExpiry("0101", now) == ExpiryCheck::kGood);  // 2101
  CHECK(CheckExpiry("0199", now) == ExpiryCheck::kExpired);
}

TEST_CASE("postcodes are 1 to 10 digits") {
  CHECK(PostcodeValid("1"));
  CHECK(PostcodeValid("1234567890"));
  CHECK_FALSE(PostcodeValid(""));
  CHECK_FALSE(PostcodeValid("12345678901"));
  CHECK_FALSE(PostcodeValid("12*"));
}

TEST_CASE("a wiped security code is empty") {
  SecurityCode code(std::move(SecretBytes::CopyOf(std::string_view("123")).value()));
  CHECK_FALSE(code.wiped());
  code.Wipe();
  CHECK(code.wiped());
}

}  // namespace
}  // namespace flattone::card
