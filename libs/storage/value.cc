#include "libs/storage/value.h"

#include <cstdlib>

#include "libs/base/check.h"

namespace flattone::storage {

const Value& Row::At(size_t i) const {
  static const Value null;
  if (i < values_.size()) return values_[i];
  FT_BUG("a row was asked for a column that its statement does not have");
  return null;
}

size_t Row::Index(std::string_view name) const {
  for (size_t i = 0; i < columns_->size(); ++i) {
    if ((*columns_)[i] == name) return i;
  }
  return values_.size();
}

int64_t Row::Int(size_t i) const {
  const auto& v = At(i).get();
  if (const auto* number = std::get_if<int64_t>(&v)) return *number;
  if (const auto* number = std::get_if<double>(&v)) return static_cast<int64_t>(*number);
  // PostgreSQL's SUM over BIGINT is NUMERIC, which arrives as text.
  if (const auto* text = std::get_if<std::string>(&v)) return std::strtoll(text->c_str(), nullptr, 10);
  return 0;
}

double Row::Double(size_t i) const {
  const auto& v = At(i).get();
  if (const auto* number = std::get_if<double>(&v)) return *number;
  if (const auto* number = std::get_if<int64_t>(&v)) return static_cast<double>(*number);
  if (const auto* text = std::get_if<std::string>(&v)) return std::strtod(text->c_str(), nullptr);
  return 0;
}

std::string Row::Text(size_t i) const {
  const auto& v = At(i).get();
  if (const auto* text = std::get_if<std::string>(&v)) return *text;
  if (const auto* blob = std::get_if<Blob>(&v)) return blob->bytes;
  if (const auto* number = std::get_if<int64_t>(&v)) return std::to_string(*number);
  if (const auto* number = std::get_if<double>(&v)) return std::to_string(*number);
  return {};
}

std::string Row::Bytes(size_t i) const { return Text(i); }

std::optional<int64_t> Row::OptInt(std::string_view name) const {
  const size_t i = Index(name);
  if (IsNull(i)) return std::nullopt;
  return Int(i);
}

std::optional<std::string> Row::OptText(std::string_view name) const {
  const size_t i = Index(name);
  if (IsNull(i)) return std::nullopt;
  return Text(i);
}

}  // namespace flattone::storage
