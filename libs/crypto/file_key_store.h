// Key-encryption keys in a file, one a line, the last one active: "<id> <64 hex digits>". For development and
// single machines: whoever reads the file and the database has everything. The file must belong to the
// process's user and be closed to others (0600).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "libs/base/random.h"
#include "libs/crypto/key_store.h"

namespace flattone::crypto {

class FileKeyStore final : public KeyStore {
 public:
  // FAILED_PRECONDITION when the file is missing, malformed, or open to others. `random` outlives the store.
  static absl::StatusOr<std::unique_ptr<FileKeyStore>> Open(const std::string& path, Random& random);
  // The same, making the file with a fresh key first where it is missing and `create` is set.
  static absl::StatusOr<std::unique_ptr<FileKeyStore>> OpenOrCreate(const std::string& path, bool create, Random& random);
  // Appends a fresh key, which becomes the active one, creating the file when it is missing.
  static absl::Status AddKey(const std::string& path, Random& random);

  std::string ActiveKeyId() const override { return active_; }
  absl::StatusOr<Wrapped> Wrap(const secret::SecretBytes& key, Bytes context) override;
  absl::StatusOr<secret::SecretBytes> Unwrap(const Wrapped& wrapped, Bytes context) override;

 private:
  explicit FileKeyStore(Random& random) : random_(random) {}
  absl::Status Parse(const secret::SecretBytes& text, const std::string& path);

  Random& random_;
  std::map<std::string, secret::SecretBytes> keys_;
  std::string active_;
};

}  // namespace flattone::crypto
