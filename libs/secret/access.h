// The token without which no secret shows its clear text. One grep for ClearCardAccess finds every place
// in the house that reads a card number, a code, a key press or a key; each says why:
//
//   const Card& card = secret.Reveal(ClearCardAccess("seal the card for the adapter"));
//
// media-relay and session-orchestration have no business with it.
#pragma once

namespace flattone::secret {

class ClearCardAccess {
 public:
  // `why` is a literal, read by people who review; it is not kept.
  template <unsigned long kLength>
  explicit constexpr ClearCardAccess(const char (&)[kLength]) {
    static_assert(kLength > 8, "say why clear text is needed here");
  }
};

}  // namespace flattone::secret
