#include "services/tokenisation-vault/store/token_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::vault {
namespace {

TokenRow RowOf(const storage::Row& row) {
  TokenRow token;
  token.token = row.Text("token_id");
  token.tenant = row.Text("tenant_id");
  token.capture = row.Text("capture_id");
  token.purpose = static_cast<TokenPurpose>(row.Int("purpose"));
  token.brand = card::BrandFromName(row.Text("brand")).value_or(card::Brand::kUnknown);
  token.bin = row.Text("bin");
  token.last_four = row.Text("last_four");
  token.fingerprint = row.Text("fingerprint");
  token.key_version = static_cast<uint32_t>(row.Int("key_version"));
  token.sealed_card = row.Bytes("sealed_card");
  token.created_ms = row.Int("created_ms");
  token.expires_ms = row.Int("expires_ms");
  token.destroyed_ms = row.Int("destroyed_ms");
  token.opens = row.Int("opens");
  token.code_until_ms = row.Int("code_until_ms");
  token.code_replica = row.Text("code_replica");
  token.code_address = row.Text("code_address");
  return token;
}

absl::StatusOr<TokenRow> One(absl::StatusOr<storage::Rows> rows, const std::string& name) {
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return TokenNotFound(name);
  return RowOf(rows->front());
}

AuditEntry WithResult(AuditEntry entry, const absl::Status& status) {
  const auto detail = DetailOf(status);
  if (!status.ok()) entry.result = detail.has_value() && !detail->code.empty() ? detail->code : absl::StatusCodeToString(status.code());
  return entry;
}

}  // namespace

absl::Status TokenNotFound(const std::string& token) {
  return Refusal(absl::StatusCode::kNotFound, {.code = "token_not_found", .field = "token_id"},
                 absl::StrCat("there is no token ", token));
}

absl::Status CardNotKept(const std::string& token) {
  return Refusal(absl::StatusCode::kFailedPrecondition,
                 {.code = "card_not_kept", .field = "token_id", .limit = {}, .fix = "ask for the whole card"},
                 absl::StrCat("the card of token ", token, " is not kept any more"));
}

absl::Status TokenStore::Insert(const TokenRow& row, const AuditEntry& entry, const std::string& replaced) {
  return group_.Write([&](storage::Transaction& tx) -> absl::Status {
    auto head = audit_.Lock(tx);
    if (!head.ok()) return head.status();
    auto inserted = tx.Execute(
        "INSERT INTO token (token_id, tenant_id, capture_id, purpose, brand, bin, last_four, fingerprint, key_version, "
        "sealed_card, created_ms, expires_ms, code_until_ms, code_replica, code_address) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) "
        "ON CONFLICT (capture_id) DO UPDATE SET token_id = excluded.token_id, purpose = excluded.purpose, brand = excluded.brand, "
        "bin = excluded.bin, last_four = excluded.last_four, fingerprint = excluded.fingerprint, key_version = excluded.key_version, "
        "sealed_card = excluded.sealed_card, created_ms = excluded.created_ms, expires_ms = excluded.expires_ms, "
        "code_until_ms = excluded.code_until_ms, code_replica = excluded.code_replica, code_address = excluded.code_address "
        "WHERE token.tenant_id = excluded.tenant_id AND token.code_replica IN ('', excluded.code_replica) AND token.opens = 0",
        {row.token, row.tenant, row.capture, static_cast<int>(row.purpose), card::BrandName(row.brand), row.bin, row.last_four,
         row.fingerprint, static_cast<int64_t>(row.key_version), storage::Blob{row.sealed_card}, row.created_ms, row.expires_ms,
         row.code_until_ms, row.code_replica, row.code_address});
    if (!inserted.ok()) return inserted.status();
    if (*inserted == 0) return absl::AlreadyExistsError("the capture has a token already");
    if (!replaced.empty()) {
      if (auto gone = Destroy(tx, replaced); !gone.ok()) return gone;
      const AuditEntry destroyed{entry.actor, "token.destroy", entry.tenant, replaced, "ok", absl::StrCat(entry.origin, " replaced")};
      if (auto told = audit_.Append(tx, *head, destroyed); !told.ok()) return told;
    }
    return audit_.Append(tx, *head, entry);
  });
}

absl::StatusOr<TokenRow> TokenStore::Find(const std::string& tenant, const std::string& token) {
  absl::StatusOr<TokenRow> found = TokenNotFound(token);
  const auto status = database_.Read([&](storage::Transaction& tx) {
    found = One(tx.Query("SELECT * FROM token WHERE token_id = $1 AND tenant_id = $2", {token, tenant}), token);
    return absl::IsNotFound(found.status()) ? absl::OkStatus() : found.status();
  });
  return status.ok() ? found : status;
}

absl::StatusOr<TokenRow> TokenStore::KeepUntil(const std::string& tenant, const std::string& token, absl::Time until) {
  const auto status = database_.Write([&](storage::Transaction& tx) -> absl::Status {
    auto kept = tx.Execute("UPDATE token SET expires_ms = CASE WHEN expires_ms < $1 THEN $1 ELSE expires_ms END "
                           "WHERE token_id = $2 AND tenant_id = $3 AND purpose = $4 AND destroyed_ms = 0 AND expires_ms > $5",
                           {absl::ToUnixMillis(until), token, tenant, static_cast<int>(TokenPurpose::kPayment),
                            absl::ToUnixMillis(clock_.Now())});
    if (!kept.ok()) return kept.status();
    return *kept == 0 ? CardNotKept(token) : absl::OkStatus();
  });
  if (!status.ok()) return status;
  return Find(tenant, token);
}

absl::StatusOr<TokenRow> TokenStore::FindByCapture(const std::string& tenant, const std::string& capture) {
  absl::StatusOr<TokenRow> found = TokenNotFound(capture);
  const auto status = database_.Read([&](storage::Transaction& tx) {
    found = One(tx.Query("SELECT * FROM token WHERE capture_id = $1 AND tenant_id = $2", {capture, tenant}), capture);
    return absl::IsNotFound(found.status()) ? absl::OkStatus() : found.status();
  });
  return status.ok() ? found : status;
}

absl::StatusOr<TokenRow> TokenStore::Open(const std::string& tenant, const std::string& token, AuditEntry entry,
                                          const std::function<absl::Status(const TokenRow&)>& admit) {
  absl::StatusOr<TokenRow> outcome = TokenNotFound(token);
  const auto written = group_.Write([&](storage::Transaction& tx) -> absl::Status {
    auto head = audit_.Lock(tx);
    if (!head.ok()) return head.status();
    outcome = One(tx.Query("SELECT * FROM token WHERE token_id = $1 AND tenant_id = $2" + tx.ForUpdate(), {token, tenant}), token);
    if (!outcome.ok() && !absl::IsNotFound(outcome.status())) return outcome.status();
    if (outcome.ok()) {
      if (auto refused = admit(*outcome); !refused.ok()) outcome = refused;
    }
    if (outcome.ok()) {
      auto counted = tx.Execute("UPDATE token SET opens = opens + 1 WHERE token_id = $1", {token});
      if (!counted.ok()) return counted.status();
    }
    return audit_.Append(tx, *head, WithResult(entry, outcome.status()));
  });
  return written.ok() ? std::move(outcome) : written;
}

absl::Status TokenStore::Destroy(storage::Transaction& tx, const std::string& token) const {
  return tx.Execute("UPDATE token SET sealed_card = NULL, destroyed_ms = $1, code_until_ms = 0 WHERE token_id = $2 AND destroyed_ms = 0",
                    {absl::ToUnixMillis(clock_.Now()), token})
      .status();
}

absl::Status TokenStore::CodeWiped(const std::string& tenant, const std::string& token, bool destroy, const AuditEntry& entry) {
  return group_.Write([&](storage::Transaction& tx) -> absl::Status {
    auto head = audit_.Lock(tx);
    if (!head.ok()) return head.status();
    auto marked = tx.Execute("UPDATE token SET code_until_ms = 0, expires_ms = CASE WHEN purpose = $3 AND expires_ms > $4 THEN $4 "
                             "ELSE expires_ms END WHERE token_id = $1 AND tenant_id = $2",
                             {token, tenant, static_cast<int>(TokenPurpose::kPayment), absl::ToUnixMillis(clock_.Now() + kTypedAgain)});
    if (!marked.ok()) return marked.status();
    if (*marked == 0) return TokenNotFound(token);
    if (destroy) {
      if (auto status = Destroy(tx, token); !status.ok()) return status;
    }
    return audit_.Append(tx, *head, entry);
  });
}

absl::StatusOr<int> TokenStore::DestroyExpired(int limit) {
  int destroyed = 0;
  const auto status = group_.Write([&](storage::Transaction& tx) -> absl::Status {
    destroyed = 0;
    auto head = audit_.Lock(tx);
    if (!head.ok()) return head.status();
    auto rows = tx.Query("SELECT token_id, tenant_id FROM token WHERE destroyed_ms = 0 AND expires_ms > 0 AND expires_ms <= $1 "
                         "ORDER BY expires_ms LIMIT $2" + tx.ForUpdateSkipLocked(),
                         {absl::ToUnixMillis(clock_.Now()), limit});
    if (!rows.ok()) return rows.status();
    for (const storage::Row& row : *rows) {
      const AuditEntry entry{"tokenisation-vault", "token.expire", row.Text("tenant_id"), row.Text("token_id"), "ok", "sweeper"};
      if (auto done = Destroy(tx, entry.object); !done.ok()) return done;
      if (auto done = audit_.Append(tx, *head, entry); !done.ok()) return done;
      ++destroyed;
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return destroyed;
}

}  // namespace flattone::vault
