#include "services/tokenisation-vault/seal/card_record.h"

#include <cstring>

#include "libs/card/expiry.h"

namespace flattone::vault {
namespace {

using secret::ClearCardAccess;
using secret::SecretBytes;

constexpr std::string_view kField = "card";

template <size_t kSize>
bool Copy(std::string_view from, std::array<char, kSize>& to, uint8_t& size) {
  if (from.size() > kSize) return false;
  if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
  size = static_cast<uint8_t>(from.size());
  return true;
}

}  // namespace

absl::StatusOr<std::string> SealCardRecord(Random& random, const crypto::TenantKey& key, std::string_view token,
                                           const card::Pan& pan, const SecretBytes& expiry, const SecretBytes& postcode) {
  const ClearCardAccess access("lay out the card to seal it at rest");
  auto plain = SecretBytes::Create(sizeof(crypto::ClearCard));
  auto card = crypto::SecretCard::Create();
  if (!plain.ok()) return plain.status();
  if (!card.ok()) return card.status();
  crypto::ClearCard& clear = card->Update(access);
  if (!Copy(pan.digits().RevealText(access), clear.pan, clear.pan_size) ||
      !Copy(postcode.RevealText(access), clear.postcode, clear.postcode_size)) {
    return absl::InternalError("a field of the card is longer than its record");
  }
  if (const auto date = card::ParseExpiry(expiry.RevealText(access))) {
    clear.expiry_month = static_cast<uint8_t>(date->month);
    clear.expiry_year = static_cast<uint8_t>(date->year);
  }
  static_cast<void>(plain->Append(std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(&clear), sizeof clear)));
  return crypto::SealField(random, key, token, kField, *plain);
}

absl::StatusOr<crypto::SecretCard> OpenCardRecord(const crypto::TenantKey& key, std::string_view token, std::string_view sealed) {
  auto plain = crypto::OpenField(key, token, kField, sealed);
  if (!plain.ok()) return plain.status();
  if (plain->size() != sizeof(crypto::ClearCard)) return absl::DataLossError("the sealed card has another size");
  auto card = crypto::SecretCard::Create();
  if (!card.ok()) return card.status();
  const ClearCardAccess access("move the opened record into its type");
  std::memcpy(&card->Update(access), plain->Reveal(access).data(), sizeof(crypto::ClearCard));
  return card;
}

}  // namespace flattone::vault
