#include "services/gateway-adapter/psp/form.h"

#include <cstdio>

#include "libs/secret/arena.h"

namespace flattone::gateway {

absl::StatusOr<FormBody> FormBody::Create() {
  auto bytes = secret::SecretBytes::Create(kCapacity);
  if (!bytes.ok()) return bytes.status();
  return FormBody(std::move(*bytes));
}

std::span<const uint8_t> FormBody::bytes() const {
  return bytes_.Reveal(secret::ClearCardAccess("the request body that goes to the PSP over TLS"));
}

void FormBody::Put(std::string_view text) {
  if (!bytes_.Append(text)) ok_ = false;
}

void FormBody::Encode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'z') || c == '-' || c == '_' ||
                       c == '.' || c == '~';
    // One byte at a time, so that no other buffer ever holds a run of digits.
    char out[3] = {c, 0, 0};
    if (!plain) {
      out[0] = '%';
      out[1] = kHex[byte >> 4];
      out[2] = kHex[byte & 15];
    }
    Put({out, plain ? size_t{1} : size_t{3}});
    secret::Wipe(out, sizeof out);
  }
}

void FormBody::Add(std::string_view key, std::string_view value) {
  if (!bytes_.empty()) Put("&");
  Encode(key);
  Put("=");
  Encode(value);
}

void FormBody::Add(std::string_view key, int64_t value) {
  char text[24];
  const int size = std::snprintf(text, sizeof text, "%lld", static_cast<long long>(value));
  Add(key, std::string_view(text, static_cast<size_t>(size)));
  secret::Wipe(text, sizeof text);
}

}  // namespace flattone::gateway
