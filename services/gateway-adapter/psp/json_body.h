// A flat or nested JSON object in locked memory, for PSPs that take the card in JSON. Wiped with the object.
//
//   body->Text("reference", id).Number("amount_minor", 1250).Open("card").Text("number", …).Close();
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/secret/bytes.h"

namespace flattone::gateway {

class JsonBody {
 public:
  static constexpr size_t kCapacity = 2048;
  // RESOURCE_EXHAUSTED when no locked memory is left. Begins with '{'; Close() once at the end ends it.
  static absl::StatusOr<JsonBody> Create();

  JsonBody& Text(std::string_view name, std::string_view value);
  JsonBody& Number(std::string_view name, int64_t value);
  JsonBody& Flag(std::string_view name, bool value);
  JsonBody& Open(std::string_view name);
  JsonBody& Close();
  // False when something did not fit.
  bool ok() const { return ok_; }

  std::span<const uint8_t> bytes() const;

 private:
  explicit JsonBody(secret::SecretBytes bytes) : bytes_(std::move(bytes)) {}
  void Name(std::string_view name);
  void Quoted(std::string_view text);
  void Put(std::string_view text);

  secret::SecretBytes bytes_;
  bool first_ = true;
  bool ok_ = true;
};

}  // namespace flattone::gateway
