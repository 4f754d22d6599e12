// The fingerprint of a card number: the same card of the same tenant gives the same text, another tenant's
// gives another, and without the key nobody can try numbers against it (PCI DSS 3.5.1.1: keyed, over the
// whole number). Its key is the tenant's "fingerprint" key, kept apart from the data keys and never rotated
// with them, so fingerprints stay stable.
#pragma once

#include <string>

#include "libs/crypto/envelope.h"
#include "libs/secret/bytes.h"

namespace flattone::crypto {

// 64 hex digits of HMAC-SHA-256 over purpose, tenant and digits. `key.purpose` is "fingerprint".
std::string Fingerprint(const TenantKey& key, const secret::SecretBytes& pan);

}  // namespace flattone::crypto
