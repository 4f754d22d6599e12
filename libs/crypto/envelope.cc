#include "libs/crypto/envelope.h"

#include <cstring>

#include "libs/crypto/context.h"

namespace flattone::crypto {
namespace {

using secret::ClearCardAccess;
using secret::SecretBytes;

Context BindKey(std::string_view tenant, std::string_view purpose, uint32_t version) {
  Context context("flattone/tenant-key/v1");
  context.Add(tenant).Add(purpose).Add(uint64_t{version});
  return context;
}

Context BindField(const TenantKey& key, std::string_view row, std::string_view field) {
  Context context("flattone/field/v1");
  context.Add(key.tenant).Add(row).Add(uint64_t{key.version}).Add(field);
  return context;
}

}  // namespace

absl::StatusOr<std::string> SealWithNonce(Random& random, const SecretBytes& key, Bytes aad, Bytes plain) {
  GcmNonce nonce;
  random.Fill(nonce);
  auto sealed = AesGcmSeal(key, nonce, aad, plain);
  if (!sealed.ok()) return sealed.status();
  std::string out(AsText(nonce));
  out.append(*sealed);
  return out;
}

absl::StatusOr<SecretBytes> OpenWithNonce(const SecretBytes& key, Bytes aad, std::string_view sealed) {
  GcmNonce nonce;
  if (sealed.size() < nonce.size()) return NotAuthentic("ciphertext");
  std::memcpy(nonce.data(), sealed.data(), nonce.size());
  return AesGcmOpen(key, nonce, aad, AsBytes(sealed.substr(nonce.size())));
}

absl::StatusOr<TenantKey> MakeTenantKey(Random& random, std::string_view tenant, std::string_view purpose, uint32_t version) {
  auto key = SecretBytes::Random(random, kAesKeyBytes);
  if (!key.ok()) return key.status();
  return TenantKey{std::string(tenant), std::string(purpose), version, std::move(*key)};
}

absl::StatusOr<KeyStore::Wrapped> WrapTenantKey(KeyStore& store, const TenantKey& key) {
  return store.Wrap(key.key, BindKey(key.tenant, key.purpose, key.version).bytes());
}

absl::StatusOr<TenantKey> UnwrapTenantKey(KeyStore& store, std::string_view tenant, std::string_view purpose, uint32_t version,
                                          const KeyStore::Wrapped& wrapped) {
  auto key = store.Unwrap(wrapped, BindKey(tenant, purpose, version).bytes());
  if (!key.ok()) return key.status();
  return TenantKey{std::string(tenant), std::string(purpose), version, std::move(*key)};
}

absl::StatusOr<std::string> SealField(Random& random, const TenantKey& key, std::string_view row, std::string_view field,
                                      const SecretBytes& plain) {
  return SealWithNonce(random, key.key, BindField(key, row, field).bytes(), plain.Reveal(ClearCardAccess("seal a field at rest")));
}

absl::StatusOr<SecretBytes> OpenField(const TenantKey& key, std::string_view row, std::string_view field,
                                      std::string_view sealed) {
  return OpenWithNonce(key.key, BindField(key, row, field).bytes(), sealed);
}

}  // namespace flattone::crypto
