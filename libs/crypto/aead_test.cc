#include "libs/crypto/aead.h"

#include <cstring>

#include "libs/base/error.h"
#include "libs/crypto/test_hex.h"
#include "libs/testing/catch.h"

namespace flattone::crypto {
namespace {

// The GCM submission's test case 16: AES-256, additional data, 60 bytes.
const char kKey[] = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
const char kIv[] = "cafebabefacedbaddecaf888";
const char kPlain[] =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
const char kAad[] = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
const char kSealed[] =
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
    "76fc6ece0f4e1768cddf8853bb2d551b";

GcmNonce Nonce() {
  GcmNonce nonce;
  std::memcpy(nonce.data(), Hex(kIv).data(), nonce.size());
  return nonce;
}

TEST_CASE("AES-256-GCM gives the published ciphertext and tag") {
  const auto sealed = AesGcmSeal(SecretHex(kKey), Nonce(), AsBytes(Hex(kAad)), AsBytes(Hex(kPlain)));
  REQUIRE(sealed.ok());
  CHECK(ToHex(*sealed) == kSealed);
  const auto opened = AesGcmOpen(SecretHex(kKey), Nonce(), AsBytes(Hex(kAad)), AsBytes(Hex(kSealed)));
  REQUIRE(opened.ok());
  CHECK(ToHex(opened->Reveal(kTest)) == kPlain);
}

TEST_CASE("one flipped bit anywhere, other data, or a cut ciphertext does not open") {
  const std::string sealed = Hex(kSealed);
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK(DetailOf(AesGcmOpen(SecretHex(kKey), Nonce(), AsBytes(Hex(kAad)), AsBytes(changed)).status())->code == "not_authentic");
  }
  CHECK_FALSE(AesGcmOpen(SecretHex(kKey), Nonce(), {}, AsBytes(sealed)).ok());
  CHECK_FALSE(AesGcmOpen(SecretHex(kKey), Nonce(), AsBytes(Hex(kAad)), AsBytes(std::string_view(sealed).substr(1))).ok());
  CHECK_FALSE(AesGcmOpen(SecretHex(kKey), Nonce(), {}, {}).ok());
  CHECK_FALSE(AesGcmSeal(SecretHex("00"), Nonce(), {}, {}).ok());
}

}  // namespace
}  // namespace flattone::crypto
