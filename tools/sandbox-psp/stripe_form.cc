#include "tools/sandbox-psp/stripe_form.h"

#include <algorithm>

namespace flattone::sandbox {

std::string StripeForm::Text(const std::string& name) const {
  for (const auto& field : fields_) {
    if (field.first == name) return field.second;
  }
  return "";
}

int64_t StripeForm::Number(const std::string& name) const {
  const std::string text = Text(name);
  if (text.empty() || text.size() > 12 || text.find_first_not_of("0123456789") != text.npos) return -1;
  return std::stoll(text);
}

bool StripeForm::ExpandsCharge() const {
  return std::any_of(fields_.begin(), fields_.end(), [](const auto& field) {
    return field.first.compare(0, 7, "expand[") == 0 && field.second == "latest_charge";
  });
}

std::map<std::string, std::string> StripeForm::Metadata() const {
  std::map<std::string, std::string> out;
  for (const auto& field : fields_) {
    if (field.first.compare(0, 9, "metadata[") == 0 && field.first.back() == ']') {
      out[field.first.substr(9, field.first.size() - 10)] = field.second;
    }
  }
  return out;
}

std::optional<std::string> StripeForm::Unknown(const std::vector<std::string_view>& known) const {
  for (const auto& field : fields_) {
    const std::string top = field.first.substr(0, field.first.find('['));
    if (std::find(known.begin(), known.end(), top) == known.end()) return field.first;
  }
  return std::nullopt;
}

std::string StripeForm::Meaning() const {
  std::vector<std::string> lines;
  for (const auto& field : fields_) {
    const bool card = field.first.find("[number]") != std::string::npos || field.first.find("[cvc]") != std::string::npos;
    if (!card) lines.push_back(field.first + "=" + field.second);
  }
  std::sort(lines.begin(), lines.end());
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

}  // namespace flattone::sandbox
