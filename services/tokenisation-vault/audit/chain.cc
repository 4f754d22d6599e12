#include "services/tokenisation-vault/audit/chain.h"

#include "absl/strings/str_cat.h"

namespace flattone::vault {
namespace {

constexpr int kPage = 1000;

AuditRecord RecordOf(const storage::Row& row) {
  AuditRecord record;
  record.sequence = row.Int("sequence");
  record.time_ms = row.Int("time_ms");
  record.entry = {row.Text("actor"),  row.Text("action"), row.Text("tenant_id"),
                  row.Text("object"), row.Text("result"), row.Text("origin")};
  record.hash = row.Bytes("hash");
  record.signature = row.Bytes("signature");
  return record;
}

absl::StatusOr<std::vector<AuditRecord>> ReadPage(storage::Database& database, const std::string& tenant, int64_t after, int limit) {
  std::vector<AuditRecord> records;
  const auto status = database.Read([&](storage::Transaction& tx) -> absl::Status {
    records.clear();
    auto rows = tenant.empty()
                    ? tx.Query("SELECT * FROM audit WHERE sequence > $1 ORDER BY sequence LIMIT $2", {after, limit})
                    : tx.Query("SELECT * FROM audit WHERE tenant_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
                               {tenant, after, limit});
    if (!rows.ok()) return rows.status();
    for (const storage::Row& row : *rows) records.push_back(RecordOf(row));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return records;
}

// What is wrong with `record` after `before`; empty when nothing is.
std::string Fault(const AuditRecord& record, const AuditHead& before, const crypto::SigningPublicKey& key) {
  if (record.sequence != before.sequence + 1) return absl::StrCat("record ", before.sequence + 1, " is missing");
  if (record.hash != AuditHash(record, before.hash)) return "its hash does not follow from its content and the record before";
  if (!crypto::Verify(key, crypto::AsBytes(record.hash), record.signature)) return "its signature is not the vault's";
  return {};
}

}  // namespace

absl::StatusOr<AuditHead> AuditChain::Lock(storage::Transaction& tx) const {
  auto rows = tx.Query("SELECT sequence, hash FROM audit_head WHERE id = 1" + tx.ForUpdate());
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return absl::DataLossError("the audit chain has lost its head row");
  return AuditHead{rows->front().Int("sequence"), rows->front().Bytes("hash")};
}

absl::Status AuditChain::Append(storage::Transaction& tx, AuditHead& head, const AuditEntry& entry) const {
  AuditRecord record;
  record.sequence = head.sequence + 1;
  record.time_ms = absl::ToUnixMillis(clock_.Now());
  record.entry = entry;
  record.hash = AuditHash(record, head.hash);
  record.signature = key_.Sign(crypto::AsBytes(record.hash));
  auto inserted = tx.Execute("INSERT INTO audit VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                             {record.sequence, record.time_ms, entry.actor, entry.action, entry.tenant, entry.object,
                              entry.result, entry.origin, storage::Blob{record.hash}, storage::Blob{record.signature}});
  if (!inserted.ok()) return inserted.status();
  head = {record.sequence, record.hash};
  return tx.Execute("UPDATE audit_head SET sequence = $1, hash = $2 WHERE id = 1", {head.sequence, storage::Blob{head.hash}}).status();
}

absl::Status AuditChain::Record(const AuditEntry& entry) {
  return group_.Write([&](storage::Transaction& tx) -> absl::Status {
    auto head = Lock(tx);
    if (!head.ok()) return head.status();
    return Append(tx, *head, entry);
  });
}

absl::StatusOr<std::vector<AuditRecord>> AuditChain::List(const std::string& tenant, int64_t after, int limit) const {
  return ReadPage(database_, tenant, after, limit);
}

absl::StatusOr<int64_t> AuditChain::Newest() const {
  int64_t newest = 0;
  const auto status = database_.Read([&](storage::Transaction& tx) -> absl::Status {
    auto rows = tx.Query("SELECT sequence FROM audit_head WHERE id = 1");
    if (rows.ok() && !rows->empty()) newest = rows->front().Int("sequence");
    return rows.status();
  });
  if (!status.ok()) return status;
  return newest;
}

absl::StatusOr<AuditVerdict> AuditChain::Verify() {
  std::lock_guard<std::mutex> lock(mutex_);
  AuditHead reached;
  auto verdict = VerifyAuditChain(database_, key_.public_key(), verified_, &reached);
  if (verdict.ok() && verdict->intact) verified_ = reached;
  return verdict;
}

absl::StatusOr<AuditVerdict> VerifyAuditChain(storage::Database& database, const crypto::SigningPublicKey& key,
                                              const AuditHead& known, AuditHead* reached) {
  AuditVerdict verdict;
  AuditHead at, head;
  const auto broken = [&](int64_t sequence, std::string problem) {
    verdict.intact = false;
    verdict.broken_sequence = sequence;
    verdict.problem = std::move(problem);
    return verdict;
  };
  const auto read = database.Read([&](storage::Transaction& tx) -> absl::Status {
    auto rows = tx.Query("SELECT sequence, hash FROM audit_head WHERE id = 1");
    if (rows.ok() && !rows->empty()) head = {rows->front().Int("sequence"), rows->front().Bytes("hash")};
    return rows.status();
  });
  if (!read.ok()) return read;
  while (true) {
    auto page = ReadPage(database, "", at.sequence, kPage);
    if (!page.ok()) return page.status();
    for (const AuditRecord& record : *page) {
      if (std::string fault = Fault(record, at, key); !fault.empty()) {
        return broken(std::min(record.sequence, at.sequence + 1), std::move(fault));
      }
      at = {record.sequence, record.hash};
      ++verdict.records;
      if (at.sequence == known.sequence && at.hash != known.hash) return broken(at.sequence, "the chain was rewritten since it was last verified");
      if (at.sequence == head.sequence && at.hash != head.hash) return broken(at.sequence, "the head row is of another record");
    }
    if (page->size() < kPage) break;
  }
  if (at.sequence < head.sequence || at.sequence < known.sequence) {
    return broken(at.sequence + 1, "records at the end are missing");
  }
  *reached = at;
  return verdict;
}

}  // namespace flattone::vault
