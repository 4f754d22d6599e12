// Card numbers as the sandbox sees them: check digit, brand, and what a magic number does. Numbers are looked at
// and dropped; only CardFacts stay.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/sandbox-psp/fault.h"

namespace flattone::sandbox {

// All that is kept of a card.
struct CardFacts {
  std::string brand;  // visa, mastercard, amex, discover, diners, jcb, unionpay, unknown
  std::string bin;    // first six
  std::string last_four;
  int expiry_month = 0;
  int expiry_year = 0;  // four digits
  std::string magic;    // name of the magic behaviour, empty for an ordinary card
};

struct Decline {
  std::string code;          // Stripe's error.code
  std::string decline_code;  // Stripe's error.decline_code; empty where Stripe has none
  std::string network_code;  // ISO 8583 response code
  std::string advice;        // the sandbox dialect's advice
  std::string stripe_advice;  // Stripe's advice_code, may be empty
  std::string network_advice; // Mastercard's merchant advice code, may be empty

  // The one word of the sandbox dialect.
  const std::string& word() const { return decline_code.empty() ? code : decline_code; }
};

struct MagicCard {
  std::string name;    // "decline:insufficient_funds", "fault:drop"
  std::string prefix;  // the number without its check digit
  std::optional<Decline> decline;
  std::optional<Fault> fault;
  std::string right_code = {};  // a security code with which it is an ordinary card; empty: none
};

const std::vector<MagicCard>& MagicCards();
const MagicCard* FindMagic(std::string_view name);

bool LuhnValid(std::string_view number);
// The number with its check digit.
std::string WithCheckDigit(std::string_view prefix);
std::string_view BrandOf(std::string_view number);

// Facts of a number of 12 to 19 digits with a right check digit; nullopt otherwise.
std::optional<CardFacts> LookAt(std::string_view number);
// Once the security code is known: a magic number that wants a certain one is an ordinary card with it.
void JudgeCode(std::string_view code, CardFacts& facts);

}  // namespace flattone::sandbox
