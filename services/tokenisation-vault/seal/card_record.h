// What is kept of a card at rest: number, expiry and postcode sealed together under the tenant's data key, bound
// to the token. Never the security code.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/random.h"
#include "libs/card/pan.h"
#include "libs/crypto/envelope.h"
#include "libs/crypto/sealed_card.h"
#include "services/tokenisation-vault/capture/capture.h"

namespace flattone::vault {

// All of one length.
absl::StatusOr<std::string> SealCardRecord(Random& random, const crypto::TenantKey& key, std::string_view token,
                                           const card::Pan& pan, const secret::SecretBytes& expiry,
                                           const secret::SecretBytes& postcode);

// INVALID_ARGUMENT (code "not_authentic") when the row was changed or moved.
absl::StatusOr<crypto::SecretCard> OpenCardRecord(const crypto::TenantKey& key, std::string_view token, std::string_view sealed);

// What `card` lacks of number, expiry and postcode, from a card that is kept. RESOURCE_EXHAUSTED without locked memory.
absl::Status FillIn(const crypto::SecretCard& kept, CollectedCard& card);

}  // namespace flattone::vault
