#include "services/gateway-adapter/admin/records.h"

#include "services/gateway-adapter/outbox/outbox.h"

namespace flattone::gateway {

absl::Status AppendRecord(storage::Transaction& tx, const AdminRecord& r) {
  auto sequence = NextNumber(tx, "admin_record");
  if (!sequence.ok()) return sequence.status();
  return tx.Execute("INSERT INTO admin_record (sequence, time_us, actor, action, tenant_id, object, reason) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    {*sequence, r.time_us, r.actor, r.action, r.tenant_id, r.object, r.reason}).status();
}

absl::StatusOr<std::vector<AdminRecord>> ListRecords(storage::Database& database, int64_t after, int limit) {
  std::vector<AdminRecord> records;
  absl::Status status = database.Read([&](storage::Transaction& tx) -> absl::Status {
    records.clear();
    auto rows = tx.Query("SELECT sequence, time_us, actor, action, tenant_id, object, reason FROM admin_record "
                         "WHERE sequence > $1 ORDER BY sequence LIMIT $2", {after, limit});
    if (!rows.ok()) return rows.status();
    for (const storage::Row& row : *rows) {
      records.push_back({row.Int("sequence"), row.Int("time_us"), row.Text("actor"), row.Text("action"), row.Text("tenant_id"),
                         row.Text("object"), row.Text("reason")});
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return records;
}

}  // namespace flattone::gateway
