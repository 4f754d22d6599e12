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

absl::Status FillIn(const crypto::SecretCard& kept, CollectedCard& card) {
  const ClearCardAccess access("join a kept card with what was typed again");
  const crypto::ClearCard& clear = kept.Reveal(access);
  const auto fill = [](SecretBytes& place, std::string_view digits) -> absl::Status {
    if (!place.empty() || digits.empty()) return absl::OkStatus();
    auto copy = SecretBytes::CopyOf(digits);
    if (copy.ok()) place = std::move(*copy);
    return copy.status();
  };
  if (auto s = fill(card.pan, clear.pan_text()); !s.ok()) return s;
  if (auto s = fill(card.postcode, clear.postcode_text()); !s.ok()) return s;
  if (!card.expiry.empty() || clear.expiry_month == 0) return absl::OkStatus();
  auto expiry = SecretBytes::Create(4);
  if (!expiry.ok()) return expiry.status();
  for (const uint8_t part : {clear.expiry_month, clear.expiry_year}) {
    const uint8_t digits[] = {static_cast<uint8_t>('0' + part / 10), static_cast<uint8_t>('0' + part % 10)};
    static_cast<void>(expiry->Append(std::span<const uint8_t>(digits)));
  }
  card.expiry = std::move(*expiry);
  return absl::OkStatus();
}

}  // namespace flattone::vault
