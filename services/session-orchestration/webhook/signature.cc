#include "services/session-orchestration/webhook/signature.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::session {
namespace {

constexpr std::string_view kPrefix = "whsec_";
constexpr secret::ClearCardAccess kWhy("sign or show a webhook secret, which is no card data");

std::string Base64(crypto::Bytes bytes) {
  return absl::Base64Escape(absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace

absl::StatusOr<secret::SecretBytes> NewWebhookSecret(Random& random) { return secret::SecretBytes::Random(random, 32); }

std::string SecretText(const secret::SecretBytes& secret) {
  return absl::StrCat(std::string(kPrefix), Base64(secret.Reveal(kWhy)));
}

absl::StatusOr<secret::SecretBytes> ParseSecretText(std::string_view text) {
  std::string raw;
  const bool ok = text.substr(0, kPrefix.size()) == kPrefix &&
                  absl::Base64Unescape(absl::string_view(text.data() + kPrefix.size(), text.size() - kPrefix.size()), &raw) &&
                  raw.size() >= 24 && raw.size() <= 64;
  if (!ok) return InvalidField("secret", "is malformed", "whsec_ and the base64 of 24 to 64 bytes");
  return secret::SecretBytes::CopyOf(std::string_view(raw));
}

std::string PublicKeyText(const crypto::SigningPublicKey& key) { return absl::StrCat("whpk_", Base64(key)); }

std::string SignWebhook(const std::vector<const secret::SecretBytes*>& secrets, const crypto::SigningKey& key, std::string_view id,
                        int64_t unix_seconds, std::string_view body) {
  const std::string head = absl::StrCat(std::string(id), ".", unix_seconds, ".");
  std::string out;
  for (const secret::SecretBytes* secret : secrets) {
    const crypto::Digest mac = crypto::HmacSha256(secret->Reveal(kWhy), {crypto::AsBytes(head), crypto::AsBytes(body)});
    absl::StrAppend(&out, out.empty() ? "" : " ", "v1,", Base64(mac));
  }
  const std::string text = head + std::string(body);
  absl::StrAppend(&out, out.empty() ? "" : " ", "v1a,", absl::Base64Escape(key.Sign(crypto::AsBytes(text))));
  return out;
}

}  // namespace flattone::session
