#include "services/tokenisation-vault/capture/rules.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/card/postcode.h"

namespace flattone::vault {
namespace {

absl::Status Between(std::string_view name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return InvalidField(name, absl::StrCat("is ", value), absl::StrCat("from ", least, " to ", most));
}

absl::Status ValidateField(const FieldRule& rule, const std::string& path) {
  if (auto s = Between(path + ".timeout_seconds", absl::ToInt64Seconds(rule.timeout), 5, 600); !s.ok()) return s;
  if (rule.length == 0) return absl::OkStatus();
  if (rule.field != Field::kPostcode) {
    return InvalidField(path + ".length", absl::StrCat("is ", rule.length), "0, except for a postcode");
  }
  return Between(path + ".length", rule.length, card::kMinPostcodeDigits, card::kMaxPostcodeDigits);
}

}  // namespace

bool Rules::Accepts(card::Brand brand) const {
  return accepted_brands.empty() || std::find(accepted_brands.begin(), accepted_brands.end(), brand) != accepted_brands.end();
}

absl::Status ValidateRules(const Rules& rules) {
  bool pan = false;
  for (size_t i = 0; i < rules.fields.size(); ++i) {
    const std::string path = absl::StrCat("rules.fields[", i, "]");
    if (auto status = ValidateField(rules.fields[i], path); !status.ok()) return status;
    pan |= rules.fields[i].field == Field::kPan;
    for (size_t k = 0; k < i; ++k) {
      if (rules.fields[k].field != rules.fields[i].field) continue;
      return InvalidField(path + ".field", absl::StrCat("repeats ", std::string(FieldName(rules.fields[i].field))),
                          "each field at most once");
    }
  }
  const bool kept = rules.kept_brand.has_value();
  if (!kept && !pan) return InvalidField("rules.fields", "have no CARD_FIELD_PAN", "a list with CARD_FIELD_PAN in it");
  if (kept && (pan || rules.fields.empty())) {
    return InvalidField("rules.fields", pan ? "have CARD_FIELD_PAN" : "are empty", "with token_id: what is typed again, never CARD_FIELD_PAN");
  }
  if (auto s = Between("rules.card_tries", rules.card_tries, 1, 10); !s.ok()) return s;
  if (auto s = Between("rules.length_pause_ms", absl::ToInt64Milliseconds(rules.length_pause), 2000, 30000); !s.ok()) return s;
  return Between("rules.timeout_seconds", absl::ToInt64Seconds(rules.timeout), 30, 600);
}

std::string_view FieldName(Field field) {
  switch (field) {
    case Field::kPan: return "pan";
    case Field::kExpiry: return "expiry";
    case Field::kSecurityCode: return "security_code";
    case Field::kPostcode: return "postcode";
  }
  return "unknown";
}

}  // namespace flattone::vault
