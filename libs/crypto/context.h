// What a ciphertext is bound to: a sequence of fields, each with its length before it, so that no two
// different sequences give the same bytes ("ab","c" is not "a","bc").
//
//   Context("flattone/key-press/v1").Add(tenant).Add(capture).Add(epoch).bytes()
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace flattone::crypto {

class Context {
 public:
  // `purpose` separates uses of one key from each other.
  explicit Context(std::string_view purpose) { Add(purpose); }
  Context& Add(std::string_view text);
  Context& Add(uint64_t number);
  std::span<const uint8_t> bytes() const { return {reinterpret_cast<const uint8_t*>(text_.data()), text_.size()}; }

 private:
  std::string text_;
};

}  // namespace flattone::crypto
