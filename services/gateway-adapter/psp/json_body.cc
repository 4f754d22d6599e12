#include "services/gateway-adapter/psp/json_body.h"

#include <string>

#include "libs/secret/arena.h"

namespace flattone::gateway {

absl::StatusOr<JsonBody> JsonBody::Create() {
  auto bytes = secret::SecretBytes::Create(kCapacity);
  if (!bytes.ok()) return bytes.status();
  JsonBody body(std::move(*bytes));
  body.Put("{");
  return body;
}

std::span<const uint8_t> JsonBody::bytes() const {
  return bytes_.Reveal(secret::ClearCardAccess("the request body that goes to the PSP over TLS"));
}

void JsonBody::Put(std::string_view text) {
  if (!bytes_.Append(text)) ok_ = false;
}

void JsonBody::Quoted(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  Put("\"");
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    char out[6] = {c, 0, 0, 0, 0, 0};
    size_t size = 1;
    if (c == '"' || c == '\\') {
      out[0] = '\\';
      out[1] = c;
      size = 2;
    } else if (byte < 0x20) {
      const char escape[6] = {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
      std::copy(escape, escape + 6, out);
      size = 6;
    }
    Put({out, size});
    secret::Wipe(out, sizeof out);
  }
  Put("\"");
}

void JsonBody::Name(std::string_view name) {
  if (!first_) Put(",");
  first_ = false;
  Quoted(name);
  Put(":");
}

JsonBody& JsonBody::Text(std::string_view name, std::string_view value) {
  Name(name);
  Quoted(value);
  return *this;
}

JsonBody& JsonBody::Number(std::string_view name, int64_t value) {
  Name(name);
  Put(std::to_string(value));
  return *this;
}

JsonBody& JsonBody::Flag(std::string_view name, bool value) {
  Name(name);
  Put(value ? "true" : "false");
  return *this;
}

JsonBody& JsonBody::Open(std::string_view name) {
  Name(name);
  Put("{");
  first_ = true;
  return *this;
}

JsonBody& JsonBody::Close() {
  Put("}");
  first_ = false;
  return *this;
}

}  // namespace flattone::gateway
