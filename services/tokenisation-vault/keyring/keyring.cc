#include "services/tokenisation-vault/keyring/keyring.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::vault {
namespace {

constexpr char kData[] = "data";
constexpr char kFingerprint[] = "fingerprint";
constexpr char kAudit[] = "audit";

absl::Status KeyUnknown(const std::string& tenant, uint32_t version) {
  return Refusal(absl::StatusCode::kNotFound, {.code = "key_unknown"},
                 absl::StrCat("tenant ", tenant, " has no key of version ", version));
}

}  // namespace

absl::StatusOr<Keyring::Key> Keyring::SealingKey(const std::string& tenant) { return NewestOrMade(tenant, kData); }

absl::StatusOr<Keyring::Key> Keyring::DataKey(const std::string& tenant, uint32_t version) { return Load(tenant, kData, version); }

absl::StatusOr<Keyring::Key> Keyring::FingerprintKey(const std::string& tenant) { return NewestOrMade(tenant, kFingerprint); }

absl::StatusOr<crypto::SigningKey> Keyring::AuditKey() {
  auto key = NewestOrMade("", kAudit);
  if (!key.ok()) return key.status();
  return crypto::SigningKey::FromSeed((*key)->key);
}

absl::StatusOr<uint32_t> Keyring::Rotate(const std::string& tenant) {
  auto newest = NewestVersion(tenant, kData);
  if (!newest.ok()) return newest.status();
  const uint32_t next = *newest + 1;
  if (auto status = Make(tenant, kData, next); !status.ok()) return status;
  std::lock_guard<std::mutex> lock(mutex_);
  newest_.erase({tenant, kData});
  return next;
}

absl::StatusOr<Keyring::Key> Keyring::NewestOrMade(const std::string& tenant, const std::string& purpose) {
  const int64_t now = clock_.MonotonicNanos();
  uint32_t version = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = newest_.find({tenant, purpose});
    if (found != newest_.end() && now - found->second.read_nanos < absl::ToInt64Nanoseconds(options_.refresh)) {
      version = found->second.version;
    }
  }
  if (version == 0) {
    auto newest = NewestVersion(tenant, purpose);
    if (!newest.ok()) return newest.status();
    if (*newest == 0) {
      if (auto status = Make(tenant, purpose, 1); !status.ok()) return status;
      newest = 1;
    }
    version = *newest;
    std::lock_guard<std::mutex> lock(mutex_);
    if (newest_.size() >= options_.max_cached) newest_.clear();
    newest_[{tenant, purpose}] = {version, now};
  }
  return Load(tenant, purpose, version);
}

absl::StatusOr<uint32_t> Keyring::NewestVersion(const std::string& tenant, const std::string& purpose) {
  uint32_t version = 0;
  const auto status = database_.Read([&](storage::Transaction& tx) -> absl::Status {
    auto rows = tx.Query("SELECT COALESCE(MAX(version), 0) AS version FROM tenant_key WHERE tenant_id = $1 AND purpose = $2",
                         {tenant, purpose});
    if (rows.ok()) version = static_cast<uint32_t>(rows->front().Int("version"));
    return rows.status();
  });
  if (!status.ok()) return status;
  return version;
}

// Two replicas may make the same version at once: the first one's key counts, the other's is forgotten.
absl::Status Keyring::Make(const std::string& tenant, const std::string& purpose, uint32_t version) {
  auto key = crypto::MakeTenantKey(random_, tenant, purpose, version);
  if (!key.ok()) return key.status();
  auto wrapped = crypto::WrapTenantKey(store_, *key);
  if (!wrapped.ok()) return wrapped.status();
  const int64_t now_ms = absl::ToUnixMillis(clock_.Now());
  return database_.Write([&](storage::Transaction& tx) {
    return tx.Execute("INSERT INTO tenant_key VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                      {tenant, purpose, static_cast<int64_t>(version), wrapped->kek_id, storage::Blob{wrapped->bytes}, now_ms})
        .status();
  });
}

absl::StatusOr<Keyring::Key> Keyring::Load(const std::string& tenant, const std::string& purpose, uint32_t version) {
  const Name name(tenant, purpose, version);
  if (Key key = Cached(name)) return key;
  crypto::KeyStore::Wrapped wrapped;
  const auto status = database_.Read([&](storage::Transaction& tx) -> absl::Status {
    auto rows = tx.Query("SELECT kek_id, wrapped FROM tenant_key WHERE tenant_id = $1 AND purpose = $2 AND version = $3",
                         {tenant, purpose, static_cast<int64_t>(version)});
    if (!rows.ok()) return rows.status();
    if (rows->empty()) return KeyUnknown(tenant, version);
    wrapped = {rows->front().Text("kek_id"), rows->front().Bytes("wrapped")};
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  auto key = crypto::UnwrapTenantKey(store_, tenant, purpose, version, wrapped);
  if (!key.ok()) return key.status();
  Key shared = std::make_shared<const crypto::TenantKey>(std::move(*key));
  Keep(name, shared);
  return shared;
}

Keyring::Key Keyring::Cached(const Name& name) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = keys_.find(name);
  return found == keys_.end() ? nullptr : found->second;
}

void Keyring::Keep(const Name& name, Key key) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!keys_.emplace(name, std::move(key)).second) return;
  oldest_first_.push_back(name);
  if (keys_.size() <= options_.max_cached) return;
  keys_.erase(oldest_first_.front());
  oldest_first_.pop_front();
}

}  // namespace flattone::vault
