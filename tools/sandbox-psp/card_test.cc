#include "tools/sandbox-psp/card.h"

#include "libs/testing/catch.h"

namespace flattone::sandbox {

TEST_CASE("Stripe's test numbers are in the table with the outcome that Stripe documents", "[sandbox]") {
  CHECK(LookAt("4242424242424242")->magic.empty());
  CHECK(LookAt("4000000000000002")->magic == "decline:generic_decline");
  CHECK(LookAt("4000000000009995")->magic == "decline:insufficient_funds");
  CHECK(LookAt("4000000000000069")->magic == "decline:expired_card");
  CHECK(LookAt("4000000000000127")->magic == "decline:incorrect_cvc");
  CHECK(LookAt("4000000000000119")->magic == "decline:processing_error");
  CHECK_FALSE(LookAt("4242424242424241").has_value());
}

TEST_CASE("every magic card is a valid number that leads to itself", "[sandbox]") {
  for (const MagicCard& card : MagicCards()) {
    CAPTURE(card.name);
    const std::string number = WithCheckDigit(card.prefix);
    CHECK(number.size() == 16);
    REQUIRE(LookAt(number).has_value());
    CHECK(LookAt(number)->magic == card.name);
    CHECK(FindMagic(card.name)->prefix == card.prefix);
    CHECK(card.decline.has_value() != card.fault.has_value());
  }
}

TEST_CASE("brands are told by their leading digits", "[sandbox]") {
  CHECK(BrandOf(WithCheckDigit("411111111111111")) == "visa");
  CHECK(BrandOf(WithCheckDigit("222100000000000")) == "mastercard");
  CHECK(BrandOf(WithCheckDigit("37828224631000")) == "amex");
  CHECK(BrandOf(WithCheckDigit("601111111111111")) == "discover");
  CHECK(BrandOf(WithCheckDigit("353011133330000")) == "jcb");
  CHECK(BrandOf(WithCheckDigit("999900000000000")) == "unknown");
}

TEST_CASE("a card that wants a certain security code is declined with another and ordinary with it", "[sandbox]") {
  CardFacts facts = *LookAt(WithCheckDigit("400000990000007"));
  JudgeCode("738", facts);
  CHECK(facts.magic == "decline:incorrect_cvc:other_code");
  JudgeCode("737", facts);
  CHECK(facts.magic.empty());
  CardFacts always = *LookAt("4000000000000127");
  JudgeCode("737", always);
  CHECK(always.magic == "decline:incorrect_cvc");
}

TEST_CASE("no number stays in what is kept of a card", "[sandbox]") {
  const CardFacts facts = *LookAt("4242424242424242");
  CHECK(facts.bin == "424242");
  CHECK(facts.last_four == "4242");
}

}  // namespace flattone::sandbox
