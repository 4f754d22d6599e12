#include "libs/crypto/file_key_store.h"

#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/crypto/envelope.h"

namespace flattone::crypto {
namespace {

using secret::ClearCardAccess;
using secret::SecretBytes;

constexpr size_t kLargestFile = 16 * 1024;

absl::Status Unusable(const std::string& path, std::string_view why) {
  return Refusal(absl::StatusCode::kFailedPrecondition, {.code = "kek_file_unusable"},
                 absl::StrCat("key file ", path, " ", std::string(why)));
}

absl::StatusOr<SecretBytes> ReadAll(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return Unusable(path, absl::StrCat("cannot be read: ", strerror(errno)));
  absl::Cleanup close_file = [file] { close(file); };
  struct stat about {};
  if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) return Unusable(path, "is not a file");
  if ((about.st_mode & 077) != 0) return Unusable(path, "is open to others; set its mode to 0600");
  if (about.st_uid != geteuid()) return Unusable(path, "belongs to another user");
  if (static_cast<size_t>(about.st_size) > kLargestFile) return Unusable(path, "is longer than 16 KiB");
  auto text = SecretBytes::Create(static_cast<size_t>(about.st_size) + 1);
  if (!text.ok() || !text->Resize(static_cast<size_t>(about.st_size))) return text.status();
  const auto out = text->RevealMutable(ClearCardAccess("read the key file"));
  if (read(file, out.data(), out.size()) != about.st_size) return Unusable(path, "cannot be read in full");
  return text;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileKeyStore>> FileKeyStore::Open(const std::string& path, Random& random) {
  auto text = ReadAll(path);
  if (!text.ok()) return text.status();
  std::unique_ptr<FileKeyStore> store(new FileKeyStore(random));
  if (auto status = store->Parse(*text, path); !status.ok()) return status;
  return store;
}

absl::StatusOr<std::unique_ptr<FileKeyStore>> FileKeyStore::OpenOrCreate(const std::string& path, bool create, Random& random) {
  if (create && access(path.c_str(), F_OK) != 0) {
    if (absl::Status made = AddKey(path, random); !made.ok()) return made;
  }
  return Open(path, random);
}

absl::Status FileKeyStore::Parse(const SecretBytes& text, const std::string& path) {
  const ClearCardAccess access("parse the key file");
  std::string_view rest = text.RevealText(access);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) continue;
    const size_t space = line.find(' ');
    auto key = SecretBytes::Create(kAesKeyBytes);
    if (!key.ok() || !key->Resize(kAesKeyBytes)) return key.status();
    size_t decoded = 0;
    if (space == std::string_view::npos || space == 0 ||
        sodium_hex2bin(key->RevealMutable(access).data(), kAesKeyBytes, line.data() + space + 1, line.size() - space - 1,
                       nullptr, &decoded, nullptr) != 0 ||
        decoded != kAesKeyBytes || line.size() - space - 1 != 2 * kAesKeyBytes) {
      return Unusable(path, "has a line that is not \"<id> <64 hex digits>\"");
    }
    active_ = std::string(line.substr(0, space));
    if (!keys_.emplace(active_, std::move(*key)).second) return Unusable(path, absl::StrCat("names key ", active_, " twice"));
  }
  return keys_.empty() ? Unusable(path, "holds no key") : absl::OkStatus();
}

absl::Status FileKeyStore::AddKey(const std::string& path, Random& random) {
  auto key = SecretBytes::Random(random, kAesKeyBytes);
  if (!key.ok()) return key.status();
  auto line = SecretBytes::Create(256);
  if (!line.ok() || !line->Append(RandomId(random, "kek")) || !line->Append(std::string_view(" "))) return line.status();
  const size_t before = line->size();
  const ClearCardAccess access("write a new key to the key file");
  if (!line->Resize(before + 2 * kAesKeyBytes + 1)) return absl::InternalError("key line");
  sodium_bin2hex(reinterpret_cast<char*>(line->RevealMutable(access).data()) + before, 2 * kAesKeyBytes + 1,
                 key->Reveal(access).data(), kAesKeyBytes);
  line->RevealMutable(access)[before + 2 * kAesKeyBytes] = '\n';
  const int file = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return Unusable(path, absl::StrCat("cannot be written: ", strerror(errno)));
  absl::Cleanup close_file = [file] { close(file); };
  const auto text = line->Reveal(access);
  if (write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size()) || fsync(file) != 0) {
    return Unusable(path, absl::StrCat("cannot be written: ", strerror(errno)));
  }
  return absl::OkStatus();
}

absl::StatusOr<KeyStore::Wrapped> FileKeyStore::Wrap(const SecretBytes& key, Bytes context) {
  auto sealed = SealWithNonce(random_, keys_.at(active_), context, key.Reveal(ClearCardAccess("wrap a data key")));
  if (!sealed.ok()) return sealed.status();
  return Wrapped{active_, std::move(*sealed)};
}

absl::StatusOr<SecretBytes> FileKeyStore::Unwrap(const Wrapped& wrapped, Bytes context) {
  const auto found = keys_.find(wrapped.kek_id);
  if (found == keys_.end()) {
    return Refusal(absl::StatusCode::kNotFound, {.code = "unknown_kek", .fix = "restore that key to the key file"},
                   absl::StrCat("key-encryption key ", wrapped.kek_id, " is not in the key file"));
  }
  return OpenWithNonce(found->second, context, wrapped.bytes);
}

}  // namespace flattone::crypto
