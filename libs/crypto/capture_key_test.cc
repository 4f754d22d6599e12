#include "libs/crypto/capture_key.h"

#include "libs/base/error.h"
#include "libs/crypto/test_hex.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::crypto {
namespace {

secret::Secret<char> Symbol(char symbol) {
  auto secret = secret::Secret<char>::Create();
  secret->Update(kTest) = symbol;
  return std::move(secret.value());
}

TEST_CASE("every key of the keypad travels, in messages of one length") {
  testing::SeededRandom random(3);
  const auto pair = X25519KeyPair::Create(random);
  const KeyPressContext context{"ten_a", "cap_a", 7, 1, 160};
  for (char symbol : std::string("0123456789*#ABCD")) {
    const auto sealed = SealKeyPress(random, pair->public_key(), context, Symbol(symbol));
    REQUIRE(sealed.ok());
    CHECK(sealed->size() == kSealedKeyPressBytes);
    const auto opened = OpenKeyPress(*pair, context, *sealed);
    REQUIRE(opened.ok());
    CHECK(opened->Reveal(kTest) == symbol);
  }
  const auto refused = SealKeyPress(random, pair->public_key(), context, Symbol('x'));
  CHECK(DetailOf(refused.status())->field == "symbol");
}

TEST_CASE("a press moved to any other tenant, capture, epoch, place or time does not open") {
  testing::SeededRandom random(4);
  const auto pair = X25519KeyPair::Create(random);
  const KeyPressContext right{"ten_a", "cap_a", 7, 3, 160};
  const auto sealed = SealKeyPress(random, pair->public_key(), right, Symbol('5'));
  REQUIRE(OpenKeyPress(*pair, right, *sealed).ok());
  for (const KeyPressContext& wrong :
       {KeyPressContext{"ten_b", "cap_a", 7, 3, 160}, KeyPressContext{"ten_a", "cap_b", 7, 3, 160},
        KeyPressContext{"ten_a", "cap_a", 8, 3, 160}, KeyPressContext{"ten_a", "cap_a", 7, 4, 160},
        KeyPressContext{"ten_a", "cap_a", 7, 3, 161}, KeyPressContext{"ten_acap_a", "", 7, 3, 160}}) {
    CHECK(DetailOf(OpenKeyPress(*pair, wrong, *sealed).status())->code == "not_authentic");
  }
  const auto other = X25519KeyPair::Create(random);
  CHECK_FALSE(OpenKeyPress(*other, right, *sealed).ok());
  CHECK_FALSE(OpenKeyPress(*pair, right, *sealed + "x").ok());
  CHECK_FALSE(OpenKeyPress(*pair, right, "").ok());
}

}  // namespace
}  // namespace flattone::crypto
