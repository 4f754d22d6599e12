#include "services/session-orchestration/replica/replica.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::session {
namespace {

using storage::Transaction;

// Of "<id>/<epoch>"; an owner without a name has no '/'.
bool Split(std::string_view owner, std::string* id, int64_t* epoch) {
  const size_t slash = owner.rfind('/');
  if (slash == std::string_view::npos) return false;
  *id = owner.substr(0, slash);
  return absl::SimpleAtoi(std::string(owner.substr(slash + 1)), epoch);
}

// Whatever an earlier epoch of this name holds. A name has no '/', so its prefix is nobody else's; the rows looked at
// are the open ones, which both tables have an index for.
absl::Status FreeLeases(Transaction& tx, const std::string& id, const std::string& owner) {
  const std::string prefix = absl::StrCat(id, "/");
  const std::string mine = absl::StrCat(" AND substr(owner, 1, ", prefix.size(), ") = $1 AND owner <> $2");
  auto freed = tx.Execute("UPDATE webhook_delivery SET owner = '', owner_until_us = 0 WHERE state = 1" + mine, {prefix, owner});
  if (!freed.ok()) return freed.status();
  return tx.Execute("UPDATE capture SET owner = '', owner_until_us = 0 WHERE phase IN ('STARTING', 'RUNNING')" + mine, {prefix, owner}).status();
}

}  // namespace

absl::Status CheckReplicaId(std::string_view id) {
  const bool good = !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
  return good ? absl::OkStatus() : InvalidField("replica-id", "cannot be used", "1 to 64 characters of [a-z0-9.-]");
}

absl::StatusOr<std::string> TakeReplica(storage::Database& db, const std::string& id, absl::Time now) {
  if (absl::Status good = CheckReplicaId(id); !good.ok()) return good;
  std::string owner;
  const absl::Status taken = db.Write([&](Transaction& tx) -> absl::Status {
    auto rows = tx.Query("INSERT INTO replica (id, epoch, started_us) VALUES ($1, 1, $2) ON CONFLICT (id) DO UPDATE"
                         " SET epoch = replica.epoch + 1, started_us = excluded.started_us RETURNING epoch",
                         {id, absl::ToUnixMicros(now)});
    if (!rows.ok()) return rows.status();
    owner = absl::StrCat(id, "/", rows->front().Int("epoch"));
    return FreeLeases(tx, id, owner);
  });
  if (!taken.ok()) return taken;
  return owner;
}

absl::Status StillReplica(Transaction& tx, std::string_view owner) {
  std::string id;
  int64_t epoch = 0;
  if (!Split(owner, &id, &epoch)) return absl::OkStatus();
  auto rows = tx.Query("SELECT epoch FROM replica WHERE id = $1" + tx.ForUpdate(), {id});
  if (!rows.ok()) return rows.status();
  if (!rows->empty() && rows->front().Int("epoch") == epoch) return absl::OkStatus();
  return Refusal(absl::StatusCode::kAborted, {.code = "replica_replaced", .field = {}, .limit = {}, .fix = "give every process a --replica-id of its own"},
                 absl::StrCat("another process has started as replica ", id, ": this one has no leases any more"));
}

}  // namespace flattone::session
