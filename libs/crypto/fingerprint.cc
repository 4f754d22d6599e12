#include "libs/crypto/fingerprint.h"

#include "absl/strings/escaping.h"
#include "libs/crypto/context.h"

namespace flattone::crypto {

std::string Fingerprint(const TenantKey& key, const secret::SecretBytes& pan) {
  const secret::ClearCardAccess access("fingerprint of the whole number");
  Context context("flattone/pan-fingerprint/v1");
  context.Add(key.tenant);
  const Digest digest = HmacSha256(key.key.Reveal(access), {context.bytes(), pan.Reveal(access)});
  const std::string_view text = AsText(digest);
  return absl::BytesToHexString(absl::string_view(text.data(), text.size()));
}

}  // namespace flattone::crypto
