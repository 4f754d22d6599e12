#include "libs/crypto/digest.h"

#include "libs/crypto/context.h"
#include "libs/crypto/test_hex.h"
#include "libs/testing/catch.h"

namespace flattone::crypto {
namespace {

TEST_CASE("SHA-256 of abc (FIPS 180)") {
  CHECK(ToHex(Sha256(AsBytes("abc"))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("HMAC-SHA-256 (RFC 4231, case 2), in one part or several") {
  const char expected[] = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
  CHECK(ToHex(HmacSha256(AsBytes("Jefe"), {AsBytes("what do ya want for nothing?")})) == expected);
  CHECK(ToHex(HmacSha256(AsBytes("Jefe"), {AsBytes("what do ya "), AsBytes("want for nothing?")})) == expected);
}

TEST_CASE("HKDF-SHA-256 (RFC 5869, cases 1 and 3)") {
  const auto ikm = SecretHex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
  const auto first = HkdfSha256(ikm, AsBytes(Hex("000102030405060708090a0b0c")), AsBytes(Hex("f0f1f2f3f4f5f6f7f8f9")), 42);
  REQUIRE(first.ok());
  CHECK(ToHex(first->Reveal(kTest)) ==
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  const auto third = HkdfSha256(ikm, {}, {}, 42);
  REQUIRE(third.ok());
  CHECK(ToHex(third->Reveal(kTest)) ==
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST_CASE("two different sequences of fields never give the same context") {
  auto bytes = [](Context context) { return std::string(AsText(context.bytes())); };
  CHECK(bytes(Context("p").Add("ab").Add("c")) != bytes(Context("p").Add("a").Add("bc")));
  CHECK(bytes(Context("p").Add(uint64_t{1})) != bytes(Context("p").Add(uint64_t{256})));
  CHECK(bytes(Context("p").Add("")) != bytes(Context("p")));
}

}  // namespace
}  // namespace flattone::crypto
