// Webhook secrets at rest: sealed under the service's key-encryption key and bound to tenant, endpoint and column.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/crypto/key_store.h"
#include "libs/secret/bytes.h"

namespace flattone::session {

class SecretBox {
 public:
  explicit SecretBox(crypto::KeyStore& keys) : keys_(keys) {}  // which outlives it

  struct Place {
    std::string_view tenant_id, endpoint_id, column;
  };
  // Any thread. What Seal gives is for the database only.
  absl::StatusOr<std::string> Seal(const Place& place, const secret::SecretBytes& secret) const;
  // INVALID_ARGUMENT "not_authentic" when it was sealed for another place, NOT_FOUND "unknown_kek".
  absl::StatusOr<secret::SecretBytes> Open(const Place& place, std::string_view sealed) const;

 private:
  crypto::KeyStore& keys_;
};

}  // namespace flattone::session
