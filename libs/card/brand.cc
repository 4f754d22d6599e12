#include "libs/card/brand.h"

#include <algorithm>

namespace flattone::card {
namespace {

constexpr uint32_t Lengths(int from, int to) {
  uint32_t bits = 0;
  for (int n = from; n <= to; ++n) bits |= uint32_t{1} << n;
  return bits;
}
constexpr uint32_t Exactly(int n) { return Lengths(n, n); }

constexpr BrandRules kRules[] = {
    {Brand::kUnknown, Lengths(kMinPanDigits, kMaxPanDigits), 3, true},
    {Brand::kVisa, Exactly(13) | Exactly(16) | Exactly(19), 3, true},
    {Brand::kMastercard, Exactly(16), 3, true},
    {Brand::kAmex, Exactly(15), 4, true},
    {Brand::kDiscover, Lengths(16, 19), 3, true},
    {Brand::kDiners, Lengths(14, 19), 3, true},
    {Brand::kJcb, Lengths(16, 19), 3, true},
    {Brand::kMaestro, Lengths(12, 19), 3, true},
    {Brand::kUnionPay, Lengths(16, 19), 3, false},
};

// Prefixes of six digits, first match wins: the narrower ranges stand before the wider ones.
struct Range {
  int from, to;  // inclusive, as six digits
  Brand brand;
};
constexpr Range kRanges[] = {
    {622126, 622925, Brand::kUnionPay},  // co-badged with Discover; cleared as UnionPay here
    {624000, 626999, Brand::kUnionPay},
    {628200, 628899, Brand::kUnionPay},
    {601100, 601199, Brand::kDiscover},
    {644000, 659999, Brand::kDiscover},
    {300000, 305999, Brand::kDiners},
    {309500, 309599, Brand::kDiners},
    {360000, 369999, Brand::kDiners},
    {380000, 399999, Brand::kDiners},
    {352800, 358999, Brand::kJcb},
    {340000, 349999, Brand::kAmex},
    {370000, 379999, Brand::kAmex},
    {222100, 272099, Brand::kMastercard},  // the 2-series
    {510000, 559999, Brand::kMastercard},
    {500000, 509999, Brand::kMaestro},
    {560000, 589999, Brand::kMaestro},
    {620000, 629999, Brand::kUnionPay},
    {810000, 817199, Brand::kUnionPay},
    {600000, 639999, Brand::kMaestro},
    {660000, 699999, Brand::kMaestro},
    {400000, 499999, Brand::kVisa},
};

struct Name {
  Brand brand;
  std::string_view text;
};
constexpr Name kNames[] = {
    {Brand::kUnknown, "unknown"}, {Brand::kVisa, "visa"},       {Brand::kMastercard, "mastercard"},
    {Brand::kAmex, "american_express"}, {Brand::kDiscover, "discover"}, {Brand::kDiners, "diners_club"},
    {Brand::kJcb, "jcb"},         {Brand::kMaestro, "maestro"}, {Brand::kUnionPay, "unionpay"},
};

}  // namespace

int BrandRules::longest() const {
  int n = 31;
  while (n > 0 && !Allows(n)) --n;
  return n;
}

int BrandRules::shortest() const {
  int n = 0;
  while (n < 31 && !Allows(n)) ++n;
  return n;
}

std::optional<int> BrandRules::only_length() const {
  if (longest() != shortest()) return std::nullopt;
  return longest();
}

const BrandRules& RulesOf(Brand brand) {
  for (const BrandRules& rules : kRules) {
    if (rules.brand == brand) return rules;
  }
  return kRules[0];
}

const BrandRules& BrandOf(std::string_view digits) {
  // The prefix as a range of six-digit numbers: 51 may become 510000 to 519999.
  int from = 0, to = 0;
  for (size_t i = 0; i < 6; ++i) {
    from = from * 10 + (i < digits.size() ? digits[i] - '0' : 0);
    to = to * 10 + (i < digits.size() ? digits[i] - '0' : 9);
  }
  if (digits.empty()) return kRules[0];
  for (const Range& range : kRanges) {
    if (to < range.from || from > range.to) continue;
    // Decided only when no digit to come can lead out of the range.
    return from >= range.from && to <= range.to ? RulesOf(range.brand) : kRules[0];
  }
  return kRules[0];
}

std::string_view BrandName(Brand brand) {
  for (const Name& name : kNames) {
    if (name.brand == brand) return name.text;
  }
  return "unknown";
}

std::optional<Brand> BrandFromName(std::string_view text) {
  for (const Name& name : kNames) {
    if (name.text == text) return name.brand;
  }
  return std::nullopt;
}

}  // namespace flattone::card
