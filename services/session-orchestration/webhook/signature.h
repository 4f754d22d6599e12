// Standard Webhooks 1.0: what is signed, and how a secret is written.
//
//   webhook-id: msg_…   webhook-timestamp: 1614265330   webhook-signature: v1,<base64> v1a,<base64>
//   signed text: "<id>.<timestamp>.<body>"; v1 = HMAC-SHA-256 under the `whsec_` secret, v1a = ed25519.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/random.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/signing.h"
#include "libs/secret/bytes.h"

namespace flattone::session {

// 32 random bytes, and how a tenant sees them: "whsec_" and base64. The text is shown once.
absl::StatusOr<secret::SecretBytes> NewWebhookSecret(Random& random);
std::string SecretText(const secret::SecretBytes& secret);
// From "whsec_…" (24 to 64 bytes). INVALID_ARGUMENT otherwise; the message never repeats it.
absl::StatusOr<secret::SecretBytes> ParseSecretText(std::string_view text);
// "whpk_" and base64.
std::string PublicKeyText(const crypto::SigningPublicKey& key);

// The value of webhook-signature: a v1 for each secret (several while old ones are rotated out), then a v1a.
std::string SignWebhook(const std::vector<const secret::SecretBytes*>& secrets, const crypto::SigningKey& key, std::string_view id,
                        int64_t unix_seconds, std::string_view body);

}  // namespace flattone::session
