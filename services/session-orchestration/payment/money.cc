#include "services/session-orchestration/payment/money.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::session {
namespace {

// ISO 4217 list one, active currencies by exponent, in alphabetical order.
constexpr std::string_view kNone[] = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG",
                                      "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"};
constexpr std::string_view kThree[] = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"};
constexpr std::string_view kTwo[] = {
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BMD", "BND", "BOB",
    "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CNY", "COP", "CRC", "CUP", "CVE", "CZK", "DKK", "DOP",
    "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GTQ", "GYD", "HKD", "HNL", "HTG",
    "HUF", "IDR", "ILS", "INR", "IRR", "JMD", "KES", "KGS", "KHR", "KPW", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL",
    "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO",
    "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB", "SAR", "SBD", "SCR", "SDG",
    "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TOP", "TRY", "TTD",
    "TWD", "TZS", "UAH", "USD", "UYU", "UZS", "VED", "VES", "WST", "XCD", "YER", "ZAR", "ZMW", "ZWG"};

template <size_t N>
bool Has(const std::string_view (&list)[N], std::string_view code) {
  return std::binary_search(std::begin(list), std::end(list), code);
}

}  // namespace

std::optional<int> MinorUnits(std::string_view currency) {
  if (Has(kTwo, currency)) return 2;
  if (Has(kNone, currency)) return 0;
  if (Has(kThree, currency)) return 3;
  return std::nullopt;
}

absl::Status CheckMoney(std::string_view field, const Money& money, int64_t limit_minor) {
  if (!MinorUnits(money.currency).has_value()) {
    const bool code_like = money.currency.size() <= 8;
    return Refusal(absl::StatusCode::kInvalidArgument,
                   {.code = "currency_unknown", .field = absl::StrCat(std::string(field), ".currency_code"),
                    .limit = "an ISO 4217 alphabetic code in capitals", .fix = {}},
                   absl::StrCat(std::string(field), ".currency_code is '", code_like ? money.currency : "(long)",
                                "'; it must be an ISO 4217 alphabetic code in capitals, such as EUR"));
  }
  const int64_t most = limit_minor > 0 ? std::min(limit_minor, kMaxAmountMinor) : kMaxAmountMinor;
  if (money.amount_minor >= 1 && money.amount_minor <= most) return absl::OkStatus();
  const std::string limit = absl::StrCat("an integer from 1 to ", most);
  return Refusal(absl::StatusCode::kInvalidArgument,
                 {.code = "amount_out_of_range", .field = absl::StrCat(std::string(field), ".amount_minor"), .limit = limit, .fix = {}},
                 absl::StrCat(std::string(field), ".amount_minor is ", money.amount_minor, "; it must be ", limit));
}

}  // namespace flattone::session
