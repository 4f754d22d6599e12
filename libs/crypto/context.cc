#include "libs/crypto/context.h"

namespace flattone::crypto {
namespace {
void AppendBigEndian(std::string& out, uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}
}  // namespace

Context& Context::Add(std::string_view text) {
  AppendBigEndian(text_, text.size(), 4);
  text_.append(text);
  return *this;
}

Context& Context::Add(uint64_t number) {
  AppendBigEndian(text_, 8, 4);
  AppendBigEndian(text_, number, 8);
  return *this;
}

}  // namespace flattone::crypto
