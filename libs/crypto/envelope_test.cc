#include "libs/crypto/envelope.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "libs/base/error.h"
#include "libs/crypto/file_key_store.h"
#include "libs/crypto/fingerprint.h"
#include "libs/crypto/test_hex.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::crypto {
namespace {

using secret::SecretBytes;

struct TempFile {
  TempFile() {
    char name[] = "/tmp/flattone-kek-XXXXXX";
    close(mkstemp(name));
    unlink(name);
    path = name;
  }
  ~TempFile() { unlink(path.c_str()); }
  std::string path;
};

// What every KeyStore must do; a new one is added to the TEST_CASE below it.
void Conforms(KeyStore& store) {
  const auto key = SecretBytes::CopyOf(std::string_view("0123456789abcdef0123456789abcdef"));
  const auto wrapped = store.Wrap(*key, AsBytes("row 1"));
  REQUIRE(wrapped.ok());
  CHECK(wrapped->kek_id == store.ActiveKeyId());
  CHECK(wrapped->bytes.find("0123456789abcdef") == std::string::npos);
  const auto again = store.Wrap(*key, AsBytes("row 1"));
  CHECK(again->bytes != wrapped->bytes);
  const auto back = store.Unwrap(*wrapped, AsBytes("row 1"));
  REQUIRE(back.ok());
  CHECK(ConstantTimeEquals(*back, *key));
  CHECK(DetailOf(store.Unwrap(*wrapped, AsBytes("row 2")).status())->code == "not_authentic");
  auto changed = *wrapped;
  changed.bytes.back() = static_cast<char>(changed.bytes.back() ^ 1);
  CHECK(DetailOf(store.Unwrap(changed, AsBytes("row 1")).status())->code == "not_authentic");
  auto elsewhere = *wrapped;
  elsewhere.kek_id = "nobody";
  CHECK(DetailOf(store.Unwrap(elsewhere, AsBytes("row 1")).status())->code == "unknown_kek");
}

TEST_CASE("the file key store conforms") {
  TempFile file;
  testing::SeededRandom random(1);
  REQUIRE(FileKeyStore::AddKey(file.path, random).ok());
  auto store = FileKeyStore::Open(file.path, random);
  REQUIRE(store.ok());
  Conforms(**store);
}

TEST_CASE("a new key becomes active and the old one still unwraps, after a restart too") {
  TempFile file;
  testing::SeededRandom random(2);
  REQUIRE(FileKeyStore::AddKey(file.path, random).ok());
  auto before = FileKeyStore::Open(file.path, random);
  const auto key = SecretBytes::Random(random, 32);
  const auto wrapped = (*before)->Wrap(*key, {});
  REQUIRE(FileKeyStore::AddKey(file.path, random).ok());
  auto after = FileKeyStore::Open(file.path, random);
  REQUIRE(after.ok());
  CHECK((*after)->ActiveKeyId() != (*before)->ActiveKeyId());
  CHECK(ConstantTimeEquals(*(*after)->Unwrap(*wrapped, {}), *key));
}

TEST_CASE("a key file that is missing, malformed, doubled or open to others is refused by name") {
  testing::SeededRandom random(3);
  TempFile file;
  CHECK(FileKeyStore::Open(file.path, random).status().code() == absl::StatusCode::kFailedPrecondition);
  const std::string line = "kek_1 " + std::string(64, 'a') + "\n";
  for (const std::string& bad : {std::string("kek_1 abcd\n"), std::string("\n"), line + line, std::string("kek_1") + "\n",
                                 "kek_1 " + std::string(66, 'a') + "\n"}) {
    std::ofstream(file.path) << bad;
    chmod(file.path.c_str(), 0600);
    const auto status = FileKeyStore::Open(file.path, random).status();
    CHECK(DetailOf(status)->code == "kek_file_unusable");
    CHECK(std::string(status.message()).find(file.path) != std::string::npos);
  }
  std::ofstream(file.path) << line;
  CHECK(FileKeyStore::Open(file.path, random).ok());
  chmod(file.path.c_str(), 0640);
  CHECK_FALSE(FileKeyStore::Open(file.path, random).ok());
}

TEST_CASE("a tenant's key unwraps for its tenant, purpose and version only") {
  TempFile file;
  testing::SeededRandom random(4);
  REQUIRE(FileKeyStore::AddKey(file.path, random).ok());
  auto store = FileKeyStore::Open(file.path, random);
  const auto key = MakeTenantKey(random, "ten_a", "data", 1);
  const auto wrapped = WrapTenantKey(**store, *key);
  REQUIRE(wrapped.ok());
  CHECK(ConstantTimeEquals(UnwrapTenantKey(**store, "ten_a", "data", 1, *wrapped)->key, key->key));
  CHECK_FALSE(UnwrapTenantKey(**store, "ten_b", "data", 1, *wrapped).ok());
  CHECK_FALSE(UnwrapTenantKey(**store, "ten_a", "fingerprint", 1, *wrapped).ok());
  CHECK_FALSE(UnwrapTenantKey(**store, "ten_a", "data", 2, *wrapped).ok());
}

TEST_CASE("a ciphertext copied to another row, field, tenant or key version does not open") {
  testing::SeededRandom random(5);
  const auto key = MakeTenantKey(random, "ten_a", "data", 1);
  const auto plain = SecretBytes::CopyOf(std::string_view("a number"));
  const auto sealed = SealField(random, *key, "tok_1", "pan", *plain);
  REQUIRE(sealed.ok());
  CHECK(ConstantTimeEquals(*OpenField(*key, "tok_1", "pan", *sealed), *plain));
  CHECK_FALSE(OpenField(*key, "tok_2", "pan", *sealed).ok());
  CHECK_FALSE(OpenField(*key, "tok_1", "expiry", *sealed).ok());
  const TenantKey other_tenant{"ten_b", "data", 1, std::move(key->key.Clone().value())};
  const TenantKey other_version{"ten_a", "data", 2, std::move(key->key.Clone().value())};
  CHECK_FALSE(OpenField(other_tenant, "tok_1", "pan", *sealed).ok());
  CHECK_FALSE(OpenField(other_version, "tok_1", "pan", *sealed).ok());
  CHECK_FALSE(OpenField(*key, "tok_1", "pan", "").ok());
  CHECK(*SealField(random, *key, "tok_1", "pan", *plain) != *sealed);
}

TEST_CASE("a fingerprint repeats for one tenant and key, and differs for the next number, tenant or key") {
  testing::SeededRandom random(6);
  const auto key = MakeTenantKey(random, "ten_a", "fingerprint", 1);
  const auto other = MakeTenantKey(random, "ten_a", "fingerprint", 1);
  const TenantKey other_tenant{"ten_b", "fingerprint", 1, std::move(key->key.Clone().value())};
  const auto pan = SecretBytes::CopyOf(std::string_view("4000001234567899"));
  const auto next = SecretBytes::CopyOf(std::string_view("4000001234567898"));
  const std::string print = Fingerprint(*key, *pan);
  CHECK(print.size() == 64);
  CHECK(Fingerprint(*key, *pan) == print);
  CHECK(Fingerprint(*key, *next) != print);
  CHECK(Fingerprint(*other, *pan) != print);
  CHECK(Fingerprint(other_tenant, *pan) != print);
}

}  // namespace
}  // namespace flattone::crypto
