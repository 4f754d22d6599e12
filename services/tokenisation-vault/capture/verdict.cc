#include "services/tokenisation-vault/capture/verdict.h"

#include "libs/card/expiry.h"
#include "libs/card/pan.h"
#include "libs/card/postcode.h"

namespace flattone::vault {
namespace {

constexpr int kCommonPanLength = 16;

int SecurityCodeLength(const Judge& judge) {
  return judge.brand.has_value() ? card::RulesOf(*judge.brand).security_code_digits : 0;
}

Problem JudgePan(const Judge& judge, std::string_view digits) {
  const card::BrandRules& brand = card::BrandOf(digits);
  if (!judge.rules.Accepts(brand.brand)) return Problem::kBrandNotAccepted;
  switch (card::CheckPan(digits)) {
    case card::PanCheck::kGood: return Problem::kNone;
    case card::PanCheck::kTooLong: return Problem::kTooLong;
    case card::PanCheck::kCheckDigit: return Problem::kCheckDigit;
    case card::PanCheck::kTooShort:
    case card::PanCheck::kWrongLength: break;
  }
  return Problem::kTooShort;
}

Problem JudgeExpiry(const Judge& judge, std::string_view digits) {
  switch (card::CheckExpiry(digits, judge.now)) {
    case card::ExpiryCheck::kGood: return Problem::kNone;
    case card::ExpiryCheck::kIncomplete: return Problem::kTooShort;
    case card::ExpiryCheck::kExpired: return Problem::kExpired;
    case card::ExpiryCheck::kNoSuchMonth:
    case card::ExpiryCheck::kTooFar: break;
  }
  return Problem::kNotADate;
}

Problem JudgeSecurityCode(const Judge& judge, int count) {
  const int wanted = SecurityCodeLength(judge);
  if (count < (wanted == 0 ? 3 : wanted)) return Problem::kTooShort;
  return count > (wanted == 0 ? 4 : wanted) ? Problem::kTooLong : Problem::kNone;
}

Problem JudgePostcode(const Judge& judge, std::string_view digits) {
  const int count = static_cast<int>(digits.size());
  if (judge.rule.length != 0 && count != judge.rule.length) {
    return count < judge.rule.length ? Problem::kTooShort : Problem::kTooLong;
  }
  return card::PostcodeValid(digits) ? Problem::kNone : Problem::kTooShort;
}

}  // namespace

Verdict AtEnd(const Judge& judge, std::string_view digits) {
  switch (judge.rule.field) {
    case Field::kPan: return {true, JudgePan(judge, digits)};
    case Field::kExpiry: return {true, JudgeExpiry(judge, digits)};
    case Field::kSecurityCode: return {true, JudgeSecurityCode(judge, static_cast<int>(digits.size()))};
    case Field::kPostcode: return {true, JudgePostcode(judge, digits)};
  }
  return {};
}

Verdict AfterDigit(const Judge& judge, std::string_view digits) {
  if (judge.rule.field == Field::kPan) {
    const card::Brand brand = card::BrandOf(digits).brand;
    if (brand != card::Brand::kUnknown && !judge.rules.Accepts(brand)) return {true, Problem::kBrandNotAccepted};
  }
  int end = ExpectedLength(judge, digits);
  if (end == 0) {
    end = judge.rule.field == Field::kPan ? card::BrandOf(digits).longest() : LongestLength(judge.rule.field);
  }
  return static_cast<int>(digits.size()) >= end ? AtEnd(judge, digits) : Verdict{};
}

Verdict AtPause(const Judge& judge, std::string_view digits) {
  const int count = static_cast<int>(digits.size());
  if (judge.rule.field == Field::kSecurityCode) return count >= 3 ? AtEnd(judge, digits) : Verdict{};
  if (judge.rule.field != Field::kPan || !card::BrandOf(digits).Allows(count)) return {};
  const Verdict verdict = AtEnd(judge, digits);
  return verdict.problem == Problem::kCheckDigit && count < kCommonPanLength ? Verdict{} : verdict;
}

int ExpectedLength(const Judge& judge, std::string_view digits) {
  switch (judge.rule.field) {
    case Field::kPan: return card::BrandOf(digits).only_length().value_or(0);
    case Field::kExpiry: return 4;
    case Field::kSecurityCode: return SecurityCodeLength(judge);
    case Field::kPostcode: return judge.rule.length;
  }
  return 0;
}

int LongestLength(Field field) {
  switch (field) {
    case Field::kPan: return card::kMaxPanDigits;
    case Field::kExpiry: return 4;
    case Field::kSecurityCode: return 4;
    case Field::kPostcode: return card::kMaxPostcodeDigits;
  }
  return 0;
}

}  // namespace flattone::vault
