// Where a card comes from: the vault, sealed to this process's key for one attempt. A seam, so that the runner
// is tested without a vault.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "libs/crypto/sealed_card.h"
#include "services/gateway-adapter/attempt/attempt.h"

namespace flattone::gateway {

struct OpenedCard {
  crypto::SecretCard card;  // wiped with the object
  int brand = 0;            // flattone.common.v1.CardBrand
  std::string last_four;
};

class CardSource {
 public:
  virtual ~CardSource() = default;
  // The card of attempt.token_id. The vault's refusals come as it says them (NOT_FOUND, FAILED_PRECONDITION
  // "security_code_gone", RESOURCE_EXHAUSTED "opens_used"). Any thread; blocks.
  virtual absl::StatusOr<OpenedCard> Open(const Attempt& attempt, bool security_code_required) = 0;
  // The attempt has its answer: the security code goes, with `destroy` the number too. Idempotent.
  virtual absl::Status Wipe(const Attempt& attempt, bool destroy) = 0;
};

}  // namespace flattone::gateway
