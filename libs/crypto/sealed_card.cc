#include "libs/crypto/sealed_card.h"

#include <cstring>

#include "libs/crypto/aead.h"
#include "libs/crypto/context.h"
#include "libs/crypto/hpke.h"

namespace flattone::crypto {
namespace {

using secret::ClearCardAccess;

constexpr std::string_view kInfo = "flattone/card-release/v1";
static_assert(sizeof(ClearCard) == 1 + 19 + 1 + 1 + 1 + 4 + 1 + 10, "bytes only: the struct is the wire format");

Context Bind(const CardContext& context) {
  Context bound(kInfo);
  bound.Add(context.tenant).Add(context.token).Add(context.attempt);
  return bound;
}

bool Plausible(const ClearCard& card) {
  return card.pan_size <= card.pan.size() && card.security_code_size <= card.security_code.size() &&
         card.postcode_size <= card.postcode.size() && card.expiry_month <= 12 && card.expiry_year <= 99;
}

}  // namespace

absl::StatusOr<std::string> SealCard(Random& random, const PublicKey& adapter, const CardContext& context,
                                     const SecretCard& card) {
  const ClearCard& clear = card.Reveal(ClearCardAccess("seal the card for one attempt of the adapter"));
  return HpkeSeal(random, adapter, AsBytes(kInfo), Bind(context).bytes(),
                  Bytes(reinterpret_cast<const uint8_t*>(&clear), sizeof clear));
}

absl::StatusOr<SecretCard> OpenCard(const X25519KeyPair& adapter, const CardContext& context, std::string_view sealed) {
  if (sealed.size() != kHpkeOverhead + sizeof(ClearCard)) return NotAuthentic("card");
  auto plain = HpkeOpen(adapter, AsBytes(kInfo), Bind(context).bytes(), sealed);
  if (!plain.ok()) return plain.status();
  auto card = SecretCard::Create();
  if (!card.ok()) return card.status();
  const ClearCardAccess access("move the opened card into its type");
  std::memcpy(&card->Update(access), plain->Reveal(access).data(), sizeof(ClearCard));
  if (!Plausible(card->Reveal(access))) return NotAuthentic("card");
  return card;
}

}  // namespace flattone::crypto
