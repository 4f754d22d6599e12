#include "tools/sandbox-psp/dialect.h"

#include <openssl/sha.h>

#include "absl/strings/escaping.h"

namespace flattone::sandbox {

std::string AccountOf(const http::Request& request, std::string_view prefix) {
  auto header = http::FindHeader(request.headers, "authorization");
  if (!header.has_value() || header->substr(0, 7) != "Bearer ") return "";
  const std::string_view key = header->substr(7);
  if (key.size() <= prefix.size() || key.substr(0, prefix.size()) != prefix) return "";
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), 8));
}

bool SplitPath(const std::string& path, std::string_view prefix, std::string* id, std::string* verb) {
  if (path.compare(0, prefix.size(), prefix) != 0) return false;
  const std::string rest = path.substr(prefix.size());
  const size_t slash = rest.find('/');
  *id = rest.substr(0, slash);
  *verb = slash == std::string::npos ? "" : rest.substr(slash + 1);
  return !id->empty() && verb->find('/') == std::string::npos;
}

}  // namespace flattone::sandbox
