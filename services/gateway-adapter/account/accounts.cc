#include "services/gateway-adapter/account/accounts.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/error.h"
#include "services/gateway-adapter/attempt/rows.h"

namespace flattone::gateway {
namespace {

using secret::ClearCardAccess;
using secret::SecretBytes;
using storage::Transaction;

constexpr char kPurpose[] = "psp-credentials";
constexpr char kField[] = "credentials";

// name, 0, length in two bytes, value; again and again, in locked memory.
absl::StatusOr<SecretBytes> Pack(const Credentials& credentials) {
  size_t size = 0;
  for (const auto& [name, value] : credentials) size += name.size() + value.size() + 3;
  auto packed = SecretBytes::Create(size);
  if (!packed.ok()) return packed.status();
  bool ok = true;
  for (const auto& [name, value] : credentials) {
    const uint8_t header[3] = {0, static_cast<uint8_t>(value.size() >> 8), static_cast<uint8_t>(value.size() & 255)};
    ok = ok && packed->Append(std::string_view(name)) && packed->Append(std::span(header)) && packed->Append(value);
  }
  if (!ok) return absl::InternalError("credentials did not fit");
  return packed;
}

absl::StatusOr<Credentials> Unpack(const SecretBytes& packed) {
  Credentials credentials;
  std::string_view rest = packed.RevealText(ClearCardAccess("open the PSP's credentials for its own request"));
  while (!rest.empty()) {
    const size_t name = rest.find('\0');
    if (name == std::string_view::npos || rest.size() < name + 3) return absl::InternalError("credentials are damaged");
    const size_t size = static_cast<uint8_t>(rest[name + 1]) * 256u + static_cast<uint8_t>(rest[name + 2]);
    if (rest.size() < name + 3 + size) return absl::InternalError("credentials are damaged");
    auto value = SecretBytes::CopyOf(rest.substr(name + 3, size));
    if (!value.ok()) return value.status();
    credentials.emplace(std::string(rest.substr(0, name)), std::move(*value));
    rest.remove_prefix(name + 3 + size);
  }
  return credentials;
}

Account AccountOf(const storage::Row& row) {
  Account account{.account_id = row.Text("account_id"), .tenant_id = row.Text("tenant_id"), .mode = static_cast<Mode>(row.Int("mode")),
                  .psp = row.Text("psp"), .fields = {}, .created_us = row.Int("created_us"), .updated_us = row.Int("updated_us")};
  account.fields = absl::StrSplit(row.Text("fields"), ',', absl::SkipEmpty());
  return account;
}

constexpr char kColumns[] = "account_id, tenant_id, mode, psp, fields, created_us, updated_us";

}  // namespace

absl::Status Accounts::KeyOf(Transaction& tx, const std::string& tenant_id, uint32_t version, crypto::TenantKey& out) {
  auto rows = tx.Query("SELECT kek_id, wrapped FROM tenant_key WHERE tenant_id = $1 AND version = $2", {tenant_id, int64_t{version}});
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return absl::InternalError("a tenant's data key is missing");
  auto key = crypto::UnwrapTenantKey(keys_, tenant_id, kPurpose, version, {rows->front().Text("kek_id"), rows->front().Bytes("wrapped")});
  if (!key.ok()) return key.status();
  out = std::move(*key);
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> Accounts::NewestKey(Transaction& tx, const std::string& tenant_id, crypto::TenantKey& out) {
  auto newest = tx.Query("SELECT COALESCE(MAX(version), 0) AS version FROM tenant_key WHERE tenant_id = $1", {tenant_id});
  if (!newest.ok()) return newest.status();
  const auto version = static_cast<uint32_t>(newest->front().Int("version"));
  if (version > 0) {
    absl::Status status = KeyOf(tx, tenant_id, version, out);
    if (!status.ok()) return status;
    return version;
  }
  auto key = crypto::MakeTenantKey(random_, tenant_id, kPurpose, 1);
  if (!key.ok()) return key.status();
  auto wrapped = crypto::WrapTenantKey(keys_, *key);
  if (!wrapped.ok()) return wrapped.status();
  auto stored = tx.Execute("INSERT INTO tenant_key (tenant_id, version, kek_id, wrapped) VALUES ($1, 1, $2, $3)",
                           {tenant_id, wrapped->kek_id, storage::Blob{wrapped->bytes}});
  if (!stored.ok()) return stored.status();
  out = std::move(*key);
  return 1;
}

absl::Status Accounts::Store(Transaction& tx, const Credentials& credentials, Account& account) {
  auto old = tx.Query("SELECT account_id, created_us FROM account WHERE tenant_id = $1 AND mode = $2 AND psp = $3" + tx.ForUpdate(),
                      {account.tenant_id, static_cast<int>(account.mode), account.psp});
  if (!old.ok()) return old.status();
  account.account_id = old->empty() ? RandomId(random_, "psa") : old->front().Text("account_id");
  account.created_us = old->empty() ? account.updated_us : old->front().Int("created_us");
  crypto::TenantKey key;
  auto version = NewestKey(tx, account.tenant_id, key);
  if (!version.ok()) return version.status();
  auto packed = Pack(credentials);
  if (!packed.ok()) return packed.status();
  auto sealed = crypto::SealField(random_, key, account.account_id, kField, *packed);
  if (!sealed.ok()) return sealed.status();
  return tx.Execute("INSERT INTO account (account_id, tenant_id, mode, psp, fields, sealed, key_version, created_us, updated_us) "
                    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (account_id) DO UPDATE SET fields = excluded.fields, "
                    "sealed = excluded.sealed, key_version = excluded.key_version, updated_us = excluded.updated_us",
                    {account.account_id, account.tenant_id, static_cast<int>(account.mode), account.psp,
                     absl::StrJoin(account.fields, ","), storage::Blob{*sealed}, int64_t{*version}, account.created_us,
                     account.updated_us}).status();
}

absl::StatusOr<Account> Accounts::Put(const std::string& tenant_id, Mode mode, const std::string& psp, const Credentials& credentials,
                                      const AuditNote& note) {
  Account account{.account_id = {}, .tenant_id = tenant_id, .mode = mode, .psp = psp, .fields = {}, .created_us = 0, .updated_us = 0};
  for (const auto& [name, value] : credentials) account.fields.push_back(name);
  absl::Status status;
  // Two operators who set the first account at once meet in a unique index; the second round finds what the other made.
  for (int round = 0; round < 2; ++round) {
    account.updated_us = absl::ToUnixMicros(clock_.Now());
    status = database_.Write([&](Transaction& tx) -> absl::Status {
      absl::Status stored = Store(tx, credentials, account);
      return stored.ok() ? note(tx, account.account_id) : stored;
    });
    if (!absl::IsAlreadyExists(status)) break;
  }
  if (!status.ok()) return status;
  return account;
}

absl::StatusOr<std::vector<Account>> Accounts::List(const std::string& tenant_id, const std::string& after, int limit) {
  std::vector<Account> accounts;
  absl::Status status = database_.Read([&](Transaction& tx) -> absl::Status {
    accounts.clear();
    auto rows = tx.Query(absl::StrCat("SELECT ", kColumns, " FROM account WHERE tenant_id = $1 AND account_id > $2 ORDER BY account_id LIMIT $3"),
                         {tenant_id, after, limit});
    if (!rows.ok()) return rows.status();
    for (const storage::Row& row : *rows) accounts.push_back(AccountOf(row));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return accounts;
}

absl::Status Accounts::Delete(const std::string& tenant_id, const std::string& account_id, const AuditNote& note) {
  return database_.Write([&](Transaction& tx) -> absl::Status {
    // First the row, then its attempts: one that begins meanwhile holds the row until its attempt is there to be seen.
    auto held = tx.Query("SELECT 1 FROM account WHERE tenant_id = $1 AND account_id = $2" + tx.ForUpdate(), {tenant_id, account_id});
    if (!held.ok()) return held.status();
    auto live = tx.Query(absl::StrCat("SELECT 1 FROM attempt WHERE account_id = $1 AND (state IN (1, 4) OR (", kVoidOwed, ")) LIMIT 1"), {account_id});
    if (!live.ok()) return live.status();
    if (!live->empty()) {
      return Refusal(absl::StatusCode::kFailedPrecondition,
                     {.code = "attempts_live", .field = {}, .limit = {}, .fix = "wait for their outcome or resolve them"},
                     "an attempt over this account has no outcome yet, or is still to be voided");
    }
    auto gone = tx.Execute("DELETE FROM account WHERE tenant_id = $1 AND account_id = $2", {tenant_id, account_id});
    if (!gone.ok()) return gone.status();
    if (*gone == 0) {
      return Refusal(absl::StatusCode::kNotFound, {.code = "account_not_found", .field = "account_id", .limit = {}, .fix = {}},
                     "there is no such PSP account");
    }
    return note(tx, account_id);
  });
}

absl::StatusOr<Credentials> Accounts::Open(const std::string& account_id) {
  Credentials credentials;
  absl::Status status = database_.Read([&](Transaction& tx) -> absl::Status {
    auto rows = tx.Query("SELECT tenant_id, sealed, key_version FROM account WHERE account_id = $1", {account_id});
    if (!rows.ok()) return rows.status();
    if (rows->empty()) return absl::NotFoundError("the PSP account was deleted");
    crypto::TenantKey key;
    absl::Status found = KeyOf(tx, rows->front().Text("tenant_id"), static_cast<uint32_t>(rows->front().Int("key_version")), key);
    if (!found.ok()) return found;
    auto packed = crypto::OpenField(key, account_id, kField, rows->front().Bytes("sealed"));
    if (!packed.ok()) return packed.status();
    auto opened = Unpack(*packed);
    if (!opened.ok()) return opened.status();
    credentials = std::move(*opened);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return credentials;
}

}  // namespace flattone::gateway
