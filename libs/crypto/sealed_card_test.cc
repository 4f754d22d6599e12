#include "libs/crypto/sealed_card.h"

#include <cstring>

#include "libs/crypto/test_hex.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::crypto {
namespace {

SecretCard Card(std::string_view pan, std::string_view code) {
  auto card = SecretCard::Create();
  ClearCard& clear = card->Update(kTest);
  clear.pan_size = static_cast<uint8_t>(pan.size());
  std::memcpy(clear.pan.data(), pan.data(), pan.size());
  clear.security_code_size = static_cast<uint8_t>(code.size());
  std::memcpy(clear.security_code.data(), code.data(), code.size());
  clear.expiry_month = 12;
  clear.expiry_year = 30;
  return std::move(card.value());
}

TEST_CASE("a card opens for its adapter, tenant, token and attempt only") {
  testing::SeededRandom random(5);
  const auto adapter = X25519KeyPair::Create(random);
  const CardContext right{"ten_a", "tok_a", "att_1"};
  const auto card = Card("4000001234567899", "123");
  const auto sealed = SealCard(random, adapter->public_key(), right, card);
  REQUIRE(sealed.ok());
  const auto opened = OpenCard(*adapter, right, *sealed);
  REQUIRE(opened.ok());
  CHECK(ConstantTimeEquals(*opened, card));
  CHECK(opened->Reveal(kTest).security_code_text() == "123");
  for (const CardContext& wrong : {CardContext{"ten_b", "tok_a", "att_1"}, CardContext{"ten_a", "tok_b", "att_1"},
                                   CardContext{"ten_a", "tok_a", "att_2"}}) {
    CHECK_FALSE(OpenCard(*adapter, wrong, *sealed).ok());
  }
  const auto other = X25519KeyPair::Create(random);
  CHECK_FALSE(OpenCard(*other, right, *sealed).ok());
}

TEST_CASE("all sealed cards have one length") {
  testing::SeededRandom random(6);
  const auto adapter = X25519KeyPair::Create(random);
  const auto with = SealCard(random, adapter->public_key(), {}, Card("4000001234567899", "1234"));
  const auto without = SealCard(random, adapter->public_key(), {}, Card("400000123456", ""));
  CHECK(with->size() == without->size());
}

}  // namespace
}  // namespace flattone::crypto
