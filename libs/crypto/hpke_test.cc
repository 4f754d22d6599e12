#include "libs/crypto/hpke.h"

#include "libs/base/error.h"
#include "libs/crypto/test_hex.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::crypto {
namespace {

// RFC 9180, A.2.1: base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305, sequence number 0.
const char kInfo[] = "4f6465206f6e2061204772656369616e2055726e";
const char kAad[] = "436f756e742d30";
const char kPlain[] = "4265617574792069732074727574682c20747275746820626561757479";
const char kSealed[] =
    "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"
    "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28";

X25519KeyPair Pair(const char* private_hex) { return std::move(X25519KeyPair::FromPrivate(SecretHex(private_hex)).value()); }
X25519KeyPair Recipient() { return Pair("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb"); }

TEST_CASE("HPKE seals and opens the published message") {
  const auto recipient = Recipient();
  CHECK(ToHex(recipient.public_key()) == "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
  const auto ephemeral = Pair("f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600");
  const auto sealed = HpkeSealWith(ephemeral, recipient.public_key(), AsBytes(Hex(kInfo)), AsBytes(Hex(kAad)), AsBytes(Hex(kPlain)));
  REQUIRE(sealed.ok());
  CHECK(ToHex(*sealed) == kSealed);
  const auto opened = HpkeOpen(recipient, AsBytes(Hex(kInfo)), AsBytes(Hex(kAad)), Hex(kSealed));
  REQUIRE(opened.ok());
  CHECK(ToHex(opened->Reveal(kTest)) == kPlain);
}

TEST_CASE("X25519 agrees as in RFC 7748, 6.1, and refuses a point of low order") {
  const auto alice = Pair("77076d0a7318a57d3c16c17251b26645df4c2f92ebc099b8c2c6f8f7b9d7b8da");
  CHECK_FALSE(alice.Agree(PublicKey{}).ok());
  const auto alice_right = Pair("77076d0a7318a57d3c16c17251b26645df4c2f92ebc099b8c2c6f8f7b9d7b8da");
  const auto bob = Pair("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  const auto one = alice_right.Agree(bob.public_key());
  const auto two = bob.Agree(alice_right.public_key());
  REQUIRE(one.ok());
  REQUIRE(two.ok());
  CHECK(ConstantTimeEquals(*one, *two));
}

TEST_CASE("a sealed message opens for its recipient, info and data only, unchanged") {
  testing::SeededRandom random(1);
  const auto recipient = Recipient();
  const auto other = X25519KeyPair::Create(random);
  const auto sealed = HpkeSeal(random, recipient.public_key(), AsBytes("info"), AsBytes("aad"), AsBytes("text"));
  REQUIRE(sealed.ok());
  CHECK(HpkeOpen(recipient, AsBytes("info"), AsBytes("aad"), *sealed)->RevealText(kTest) == "text");
  CHECK_FALSE(HpkeOpen(*other, AsBytes("info"), AsBytes("aad"), *sealed).ok());
  CHECK_FALSE(HpkeOpen(recipient, AsBytes("inf"), AsBytes("aad"), *sealed).ok());
  CHECK_FALSE(HpkeOpen(recipient, AsBytes("info"), AsBytes(""), *sealed).ok());
  for (size_t i = 0; i < sealed->size(); ++i) {
    std::string changed = *sealed;
    changed[i] = static_cast<char>(changed[i] ^ 4);
    CHECK_FALSE(HpkeOpen(recipient, AsBytes("info"), AsBytes("aad"), changed).ok());
  }
  CHECK_FALSE(HpkeOpen(recipient, {}, {}, "short").ok());
}

TEST_CASE("two seals of one message share nothing") {
  testing::SeededRandom random(2);
  const auto recipient = Recipient();
  const auto one = HpkeSeal(random, recipient.public_key(), {}, {}, AsBytes("5"));
  const auto two = HpkeSeal(random, recipient.public_key(), {}, {}, AsBytes("5"));
  CHECK(one->substr(0, 32) != two->substr(0, 32));
  CHECK(one->substr(32) != two->substr(32));
}

}  // namespace
}  // namespace flattone::crypto
