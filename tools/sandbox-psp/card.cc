#include "tools/sandbox-psp/card.h"

#include <cstdlib>

namespace flattone::sandbox {
namespace {

MagicCard Declines(std::string prefix, Decline decline) {
  return {"decline:" + decline.word() + (decline.network_advice.empty() ? "" : ":" + decline.network_advice),
          std::move(prefix), std::move(decline), std::nullopt};
}
MagicCard WantsCode(std::string prefix, std::string code) {
  MagicCard card = Declines(std::move(prefix), {"incorrect_cvc", "", "N7", "reenter_security_code", "confirm_card_data", ""});
  card.name += ":other_code";
  card.right_code = std::move(code);
  return card;
}
MagicCard Fails(std::string prefix, FaultKind kind, int64_t ms = 0) {
  Fault fault;
  fault.kind = kind;
  fault.operation = Operation::kAuthorise;
  fault.ms = ms;
  return {"fault:" + std::string(FaultName(kind)), std::move(prefix), std::nullopt, fault};
}

std::vector<MagicCard> Table() {
  return {
      Declines("400000000000000", {"card_declined", "generic_decline", "05", "other_card", "", ""}),
      Declines("400000000000999", {"card_declined", "insufficient_funds", "51", "other_card", "try_again_later", ""}),
      Declines("400000000000998", {"card_declined", "lost_card", "41", "stop", "do_not_try_again", ""}),
      Declines("400000000000997", {"card_declined", "stolen_card", "43", "stop", "do_not_try_again", ""}),
      Declines("400000000000697", {"card_declined", "card_velocity_exceeded", "65", "other_card", "try_again_later", ""}),
      Declines("410000000000001", {"card_declined", "fraudulent", "59", "stop", "do_not_try_again", ""}),
      Declines("400000000000006", {"expired_card", "", "54", "reenter_expiry", "confirm_card_data", ""}),
      Declines("400000000000012", {"incorrect_cvc", "", "N7", "reenter_security_code", "confirm_card_data", ""}),
      WantsCode("400000990000007", "737"),
      Declines("400000000000011", {"processing_error", "", "96", "try_later", "try_again_later", ""}),
      Declines("400000990000001", {"card_declined", "do_not_honor", "05", "call_the_bank", "try_again_later", ""}),
      Declines("400000990000002", {"card_declined", "pickup_card", "04", "stop", "do_not_try_again", ""}),
      Declines("400000990000003", {"card_declined", "call_issuer", "01", "call_the_bank", "", ""}),
      Declines("400000990000004", {"card_declined", "try_again_later", "91", "try_later", "try_again_later", ""}),
      Declines("400000990000005", {"card_declined", "invalid_account", "14", "reenter_number", "confirm_card_data", ""}),
      Declines("400000990000006", {"card_declined", "transaction_not_allowed", "57", "other_card", "do_not_try_again", ""}),
      Declines("555555990000003", {"card_declined", "do_not_honor", "05", "stop", "do_not_try_again", "03"}),
      Declines("555555990000021", {"card_declined", "revocation_of_authorization", "R1", "stop", "do_not_try_again", "21"}),
      Fails("400000880000001", FaultKind::kSlow, 5000),
      Fails("400000880000002", FaultKind::kDrop),
      Fails("400000880000003", FaultKind::kDropAfter),
      Fails("400000880000004", FaultKind::kErrorAfter),
      Fails("400000880000005", FaultKind::kStored500),
      Fails("400000880000006", FaultKind::kReset),
      Fails("400000880000007", FaultKind::kResetAfter),
      Fails("400000880000008", FaultKind::kHold),
      Fails("400000880000009", FaultKind::kGarbage),
      Fails("400000880000010", FaultKind::kForgetKey),
  };
}

bool AllDigits(std::string_view text) { return text.find_first_not_of("0123456789") == text.npos; }

// Sum of the digits' Luhn weights, the last digit weighing one.
int LuhnSum(std::string_view number) {
  int sum = 0;
  for (size_t i = 0; i < number.size(); ++i) {
    int digit = number[number.size() - 1 - i] - '0';
    if (i % 2 == 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum;
}

}  // namespace

const std::vector<MagicCard>& MagicCards() {
  static const auto* table = new std::vector<MagicCard>(Table());
  return *table;
}

const MagicCard* FindMagic(std::string_view name) {
  for (const MagicCard& card : MagicCards()) {
    if (card.name == name) return &card;
  }
  return nullptr;
}

bool LuhnValid(std::string_view number) {
  return number.size() >= 12 && number.size() <= 19 && AllDigits(number) && LuhnSum(number) % 10 == 0;
}

std::string WithCheckDigit(std::string_view prefix) {
  const std::string number = std::string(prefix) + "0";
  return std::string(prefix) + static_cast<char>('0' + (10 - LuhnSum(number) % 10) % 10);
}

std::string_view BrandOf(std::string_view number) {
  const int four = std::atoi(std::string(number.substr(0, 4)).c_str());
  const int two = four / 100;
  if (number[0] == '4') return "visa";
  if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)) return "mastercard";
  if (two == 34 || two == 37) return "amex";
  if (four == 6011 || two == 65 || (four >= 6440 && four <= 6499)) return "discover";
  if (two == 36 || two == 38 || two == 39 || (four >= 3000 && four <= 3059)) return "diners";
  if (two == 35) return "jcb";
  if (two == 62) return "unionpay";
  return "unknown";
}

std::optional<CardFacts> LookAt(std::string_view number) {
  if (!LuhnValid(number)) return std::nullopt;
  CardFacts facts;
  facts.brand = std::string(BrandOf(number));
  facts.bin = std::string(number.substr(0, 6));
  facts.last_four = std::string(number.substr(number.size() - 4));
  for (const MagicCard& card : MagicCards()) {
    if (number.substr(0, number.size() - 1) == card.prefix) facts.magic = card.name;
  }
  return facts;
}

void JudgeCode(std::string_view code, CardFacts& facts) {
  const MagicCard* magic = FindMagic(facts.magic);
  if (magic != nullptr && !magic->right_code.empty() && magic->right_code == code) facts.magic.clear();
}

}  // namespace flattone::sandbox
