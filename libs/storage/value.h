// What goes into a statement and what comes out of it, the same on SQLite and PostgreSQL.
//
//   auto rows = tx.Query("SELECT id, body FROM event WHERE tenant = $1 AND seq > $2", {tenant, int64_t{7}});
//   for (const Row& row : *rows) use(row.Int("id"), row.Bytes("body"));
//
// Text is UTF-8 without NUL; bytes may hold anything (BLOB and BYTEA). Booleans and times are BIGINT
// (0 or 1; microseconds since 1970), so that no dialect's own type leaks into the code.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace flattone::storage {

struct Blob {
  std::string bytes;
};

class Value {
 public:
  Value() = default;  // NULL
  Value(std::nullptr_t) {}
  Value(int value) : v_(int64_t{value}) {}
  Value(unsigned value) : v_(int64_t{value}) {}
  Value(int64_t value) : v_(value) {}
  Value(long long value) : v_(static_cast<int64_t>(value)) {}
  Value(bool value) : v_(int64_t{value ? 1 : 0}) {}
  Value(double value) : v_(value) {}
  Value(const char* text) : v_(std::string(text)) {}
  Value(std::string_view text) : v_(std::string(text)) {}
  Value(std::string text) : v_(std::move(text)) {}
  Value(Blob blob) : v_(std::move(blob)) {}
  template <typename T>
  Value(const std::optional<T>& value) {
    if (value.has_value()) *this = Value(*value);
  }

  bool is_null() const { return std::holds_alternative<std::monostate>(v_); }
  const std::variant<std::monostate, int64_t, double, std::string, Blob>& get() const { return v_; }

 private:
  std::variant<std::monostate, int64_t, double, std::string, Blob> v_;
};

using Columns = std::vector<std::string>;

// One row. A NULL reads as 0 or empty; where that differs from "absent", ask IsNull or take the Opt form.
// A column that the statement does not have is a bug of the caller: counted, and reads as NULL.
class Row {
 public:
  Row(std::shared_ptr<const Columns> columns, std::vector<Value> values)
      : columns_(std::move(columns)), values_(std::move(values)) {}

  size_t size() const { return values_.size(); }
  bool IsNull(size_t i) const { return At(i).is_null(); }
  int64_t Int(size_t i) const;
  double Double(size_t i) const;
  std::string Text(size_t i) const;
  std::string Bytes(size_t i) const;

  bool IsNull(std::string_view name) const { return IsNull(Index(name)); }
  int64_t Int(std::string_view name) const { return Int(Index(name)); }
  bool Bool(std::string_view name) const { return Int(Index(name)) != 0; }
  double Double(std::string_view name) const { return Double(Index(name)); }
  std::string Text(std::string_view name) const { return Text(Index(name)); }
  std::string Bytes(std::string_view name) const { return Bytes(Index(name)); }
  std::optional<int64_t> OptInt(std::string_view name) const;
  std::optional<std::string> OptText(std::string_view name) const;

 private:
  size_t Index(std::string_view name) const;
  const Value& At(size_t i) const;

  std::shared_ptr<const Columns> columns_;
  std::vector<Value> values_;
};

// The answer to one statement: its rows, and how many rows it changed.
struct Rows {
  std::vector<Row> rows;
  int64_t affected = 0;

  bool empty() const { return rows.empty(); }
  size_t size() const { return rows.size(); }
  const Row& operator[](size_t i) const { return rows[i]; }
  const Row& front() const { return rows.front(); }
  auto begin() const { return rows.begin(); }
  auto end() const { return rows.end(); }
};

}  // namespace flattone::storage
