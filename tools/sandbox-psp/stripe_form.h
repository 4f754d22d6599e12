// The fields of a form as Stripe's clients write them: card[number], metadata[key], expand[].
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/http/url.h"

namespace flattone::sandbox {

class StripeForm {
 public:
  explicit StripeForm(http::Fields fields) : fields_(std::move(fields)) {}

  // Empty where it is not there; the first of several.
  std::string Text(const std::string& name) const;
  bool Has(const std::string& name) const { return !Text(name).empty(); }
  bool Truth(const std::string& name) const { return Text(name) == "true"; }
  // -1 when it is not a whole number of up to 12 digits.
  int64_t Number(const std::string& name) const;
  bool ExpandsCharge() const;
  std::map<std::string, std::string> Metadata() const;
  // The first parameter whose top-level name is not in the list.
  std::optional<std::string> Unknown(const std::vector<std::string_view>& known) const;
  // Everything but card data, sorted: what a reused key is compared by.
  std::string Meaning() const;

 private:
  http::Fields fields_;
};

}  // namespace flattone::sandbox
