// The security code (CVV2, CVC2, CID): held in locked memory until the answer, never written anywhere.
#pragma once

#include <utility>

#include "libs/secret/bytes.h"

namespace flattone::card {

class SecurityCode {
 public:
  explicit SecurityCode(secret::SecretBytes digits) : digits_(std::move(digits)) {}
  const secret::SecretBytes& digits() const { return digits_; }
  // At once; a wiped code stays empty.
  void Wipe() { digits_.Wipe(); }
  bool wiped() const { return digits_.empty(); }

 private:
  secret::SecretBytes digits_;
};

}  // namespace flattone::card
