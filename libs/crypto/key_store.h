// Where key-encryption keys live: a file now, PKCS#11 or a cloud KMS later. A KEK never leaves its store;
// data keys go in and come back wrapped. Every implementation passes envelope_test.cc's conformance test.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/crypto/digest.h"
#include "libs/secret/bytes.h"

namespace flattone::crypto {

class KeyStore {
 public:
  struct Wrapped {
    std::string kek_id;  // which key wrapped it; needed to unwrap
    std::string bytes;   // opaque
  };

  virtual ~KeyStore() = default;

  // The id of the key that Wrap uses; older ids still unwrap.
  virtual std::string ActiveKeyId() const = 0;
  // Binds `context` to the result. Any thread.
  virtual absl::StatusOr<Wrapped> Wrap(const secret::SecretBytes& key, Bytes context) = 0;
  // NOT_FOUND for an unknown kek_id (code "unknown_kek"), INVALID_ARGUMENT (code "not_authentic") for other
  // bytes or another context. Any thread.
  virtual absl::StatusOr<secret::SecretBytes> Unwrap(const Wrapped& wrapped, Bytes context) = 0;
};

}  // namespace flattone::crypto
