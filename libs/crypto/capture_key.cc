#include "libs/crypto/capture_key.h"

#include "libs/base/error.h"
#include "libs/crypto/aead.h"
#include "libs/crypto/context.h"
#include "libs/crypto/hpke.h"

namespace flattone::crypto {
namespace {

using secret::ClearCardAccess;
using secret::Secret;

constexpr std::string_view kInfo = "flattone/key-press/v1";
constexpr std::string_view kSymbols = "0123456789*#ABCD";

Context Bind(const KeyPressContext& context) {
  Context bound(kInfo);
  bound.Add(context.tenant).Add(context.capture).Add(context.epoch).Add(context.ordinal).Add(uint64_t{context.onset});
  return bound;
}

}  // namespace

absl::StatusOr<std::string> SealKeyPress(Random& random, const PublicKey& capture, const KeyPressContext& context,
                                         const Secret<char>& symbol) {
  const char& clear = symbol.Reveal(ClearCardAccess("seal the press to the vault"));
  if (kSymbols.find(clear) == std::string_view::npos) {
    return InvalidField("symbol", "is not a key of the keypad", "one of 0-9 * # A-D");
  }
  return HpkeSeal(random, capture, AsBytes(kInfo), Bind(context).bytes(), AsBytes({&clear, 1}));
}

absl::StatusOr<Secret<char>> OpenKeyPress(const X25519KeyPair& capture, const KeyPressContext& context,
                                          std::string_view sealed) {
  if (sealed.size() != kSealedKeyPressBytes) return NotAuthentic("key press");
  auto plain = HpkeOpen(capture, AsBytes(kInfo), Bind(context).bytes(), sealed);
  if (!plain.ok()) return plain.status();
  auto symbol = Secret<char>::Create();
  if (!symbol.ok()) return symbol.status();
  const ClearCardAccess access("move the opened press into its type");
  const std::string_view clear = plain->RevealText(access);
  if (kSymbols.find(clear[0]) == std::string_view::npos) return NotAuthentic("key press");
  symbol->Update(access) = clear[0];
  return symbol;
}

}  // namespace flattone::crypto
