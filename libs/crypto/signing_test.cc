#include "libs/crypto/signing.h"

#include "libs/crypto/test_hex.h"
#include "libs/testing/catch.h"

namespace flattone::crypto {
namespace {

TEST_CASE("Ed25519 gives the published key and signature (RFC 8032, 7.1, test 2)") {
  const auto key = SigningKey::FromSeed(SecretHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
  REQUIRE(key.ok());
  CHECK(ToHex(key->public_key()) == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const std::string signature = key->Sign(AsBytes(Hex("72")));
  CHECK(ToHex(signature) ==
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  CHECK(Verify(key->public_key(), AsBytes(Hex("72")), signature));
  CHECK_FALSE(Verify(key->public_key(), AsBytes(Hex("73")), signature));
  CHECK_FALSE(Verify(key->public_key(), AsBytes(Hex("72")), signature.substr(1)));
}

}  // namespace
}  // namespace flattone::crypto
