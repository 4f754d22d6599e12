// A form-encoded request body (application/x-www-form-urlencoded) in locked memory: the one place where a
// card number is put into words for a PSP. Wiped with the object.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/secret/bytes.h"

namespace flattone::gateway {

class FormBody {
 public:
  static constexpr size_t kCapacity = 2048;
  // RESOURCE_EXHAUSTED when no locked memory is left.
  static absl::StatusOr<FormBody> Create();

  // Percent-encodes both. What does not fit any more makes ok() false.
  void Add(std::string_view key, std::string_view value);
  void Add(std::string_view key, int64_t value);
  bool ok() const { return ok_; }

  std::span<const uint8_t> bytes() const;

 private:
  explicit FormBody(secret::SecretBytes bytes) : bytes_(std::move(bytes)) {}
  void Encode(std::string_view text);
  void Put(std::string_view text);

  secret::SecretBytes bytes_;
  bool ok_ = true;
};

}  // namespace flattone::gateway
