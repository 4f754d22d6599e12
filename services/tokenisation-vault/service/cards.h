// Cards as the gateway-adapter uses them: released sealed to its process key for one attempt, wiped when the
// answer is in. Pure of gRPC. Any thread.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "libs/obs/log.h"
#include "services/tokenisation-vault/service/captures.h"

namespace flattone::vault {

struct ReleasedCard {
  std::string sealed;
  TokenRow row;  // without ciphertext
};

class Cards {
 public:
  struct Options {
    int64_t max_opens_payment = 10;    // a payment token: attempts, fail-overs and retries of one payment
    int64_t max_opens_tokenise = 1000;
  };
  struct Parts {
    HeldCodes& codes;
    Places& places;
    TokenStore& tokens;
    Keyring& keyring;
    Random& random;
    const Clock& clock;
    Meters& meters;
    obs::Logger& log;
  };
  Cards(Parts parts, Options options) : p_(parts), options_(options) {}

  // NOT_FOUND "token_not_found", "token_destroyed"; RESOURCE_EXHAUSTED "opens_used"; FAILED_PRECONDITION
  // "security_code_gone", or "capture_elsewhere" (the fix is the address) when another replica holds the code.
  absl::StatusOr<ReleasedCard> Open(const crypto::CardContext& context, const crypto::PublicKey& recipient,
                                    bool code_required, const Caller& caller);
  // Whether a code was held. A token of purpose TOKENISE keeps its card whatever `destroy` says.
  absl::StatusOr<bool> Wipe(const std::string& tenant, const std::string& token, bool destroy, const Caller& caller);
  // The operator's: any purpose.
  absl::Status Destroy(const std::string& tenant, const std::string& token, const Caller& caller);

 private:
  // Nothing when this process holds the code, or nobody does.
  absl::Status CodeElsewhere(const TokenRow& row);
  absl::Status Admit(const TokenRow& row, bool code_required) const;

  Parts p_;
  const Options options_;
};

}  // namespace flattone::vault
