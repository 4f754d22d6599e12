#include "libs/card/expiry.h"

namespace flattone::card {

constexpr int kYearsAhead = 20;

std::optional<ExpiryText> ParseExpiry(std::string_view mmyy) {
  if (mmyy.size() != 4) return std::nullopt;
  for (char digit : mmyy) {
    if (digit < '0' || digit > '9') return std::nullopt;
  }
  const ExpiryText date{(mmyy[0] - '0') * 10 + mmyy[1] - '0', (mmyy[2] - '0') * 10 + mmyy[3] - '0'};
  if (date.month < 1 || date.month > 12) return std::nullopt;
  return date;
}

ExpiryCheck CheckExpiry(std::string_view mmyy, absl::Time now) {
  if (mmyy.size() != 4) return ExpiryCheck::kIncomplete;
  const auto date = ParseExpiry(mmyy);
  if (!date.has_value()) return ExpiryCheck::kNoSuchMonth;
  const auto here = absl::ToCivilMonth(now - absl::Hours(12), absl::UTCTimeZone());
  // Two digits of a year mean the century that brings it nearest to now.
  int64_t year = here.year() - here.year() % 100 + date->year;
  if (year < here.year() - 50) year += 100;
  const absl::CivilMonth until(year, date->month);
  if (until < here) return ExpiryCheck::kExpired;
  return until > absl::CivilMonth(here.year() + kYearsAhead, here.month()) ? ExpiryCheck::kTooFar : ExpiryCheck::kGood;
}

}  // namespace flattone::card
