#include "services/tokenisation-vault/store/places.h"

namespace flattone::vault {

absl::Status Places::RenewLease() {
  return group_.Write([&](storage::Transaction& tx) -> absl::Status {
    const int64_t now = absl::ToUnixMillis(clock_.Now());
    auto done = tx.Execute("INSERT INTO replica VALUES ($1, $2, $3) ON CONFLICT (replica_id) DO UPDATE SET lease_until_ms = $3",
                           {self_.id, self_.address, now + absl::ToInt64Milliseconds(kLease)});
    if (!done.ok()) return done.status();
    const int64_t long_ago = now - absl::ToInt64Milliseconds(absl::Hours(1));
    done = tx.Execute("DELETE FROM replica WHERE lease_until_ms < $1", {long_ago});
    if (!done.ok()) return done.status();
    return tx.Execute("DELETE FROM capture_place WHERE expires_ms < $1", {long_ago}).status();
  });
}

absl::Status Places::Resign() {
  return group_.Write([&](storage::Transaction& tx) -> absl::Status {
    return tx.Execute("UPDATE replica SET lease_until_ms = 0 WHERE replica_id = $1", {self_.id}).status();
  });
}

absl::Status Places::Put(const std::string& capture, const std::string& tenant, absl::Time expires) {
  return group_.Write([&](storage::Transaction& tx) {
    return tx.Execute("INSERT INTO capture_place VALUES ($1, $2, $3, $4, $5)",
                      {capture, tenant, self_.id, self_.address, absl::ToUnixMillis(expires)})
        .status();
  });
}

absl::StatusOr<std::optional<Place>> Places::Find(const std::string& capture) {
  std::optional<Place> place;
  const auto status = database_.Read([&](storage::Transaction& tx) -> absl::Status {
    auto rows = tx.Query(
        "SELECT p.tenant_id, p.replica_id, p.address, COALESCE(r.lease_until_ms, 0) AS lease_until_ms FROM capture_place p "
        "LEFT JOIN replica r ON r.replica_id = p.replica_id WHERE p.capture_id = $1",
        {capture});
    if (!rows.ok()) return rows.status();
    if (rows->empty()) return absl::OkStatus();
    const storage::Row& row = rows->front();
    // A process at our own address that is not us is one that we replaced.
    const bool replaced = row.Text("address") == self_.address && row.Text("replica_id") != self_.id;
    place = Place{row.Text("tenant_id"), {row.Text("replica_id"), row.Text("address")},
                  !replaced && row.Int("lease_until_ms") > absl::ToUnixMillis(clock_.Now())};
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return place;
}

absl::Status Places::Remove(const std::vector<std::string>& captures) {
  return group_.Write([&](storage::Transaction& tx) -> absl::Status {
    for (const std::string& capture : captures) {
      if (auto gone = tx.Execute("DELETE FROM capture_place WHERE capture_id = $1", {capture}); !gone.ok()) return gone.status();
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<bool> Places::Alive(const Replica& replica) {
  bool alive = false;
  if (replica.address == self_.address && replica.id != self_.id) return false;
  const auto status = database_.Read([&](storage::Transaction& tx) -> absl::Status {
    auto rows = tx.Query("SELECT lease_until_ms FROM replica WHERE replica_id = $1", {replica.id});
    if (!rows.ok()) return rows.status();
    alive = !rows->empty() && rows->front().Int("lease_until_ms") > absl::ToUnixMillis(clock_.Now());
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return alive;
}

}  // namespace flattone::vault
