#include "libs/storage/migrate.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"

namespace flattone::storage {
namespace {

// Any number that no other program of ours uses ("flattone" in ASCII).
constexpr char kLock[] = "SELECT pg_advisory_xact_lock(7380373212393992805)";
constexpr char kTable[] =
    "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)";

absl::Status CheckHistory(const Rows& done, std::span<const Migration> migrations) {
  if (done.size() > migrations.size()) {
    return Refusal(absl::StatusCode::kFailedPrecondition,
                   {.code = "schema_newer", .field = "database", .limit = {},
                    .fix = "start the version of this service that made it, or a newer one"},
                   absl::StrCat("the database has schema version ", done.size(), ", this binary knows ", migrations.size()));
  }
  for (size_t i = 0; i < done.size(); ++i) {
    if (done[i].Int("version") == static_cast<int64_t>(i) + 1 && done[i].Text("name") == migrations[i].name) continue;
    return Refusal(absl::StatusCode::kFailedPrecondition,
                   {.code = "schema_differs", .field = "database", .limit = {}, .fix = "point this service at its own database"},
                   absl::StrCat("schema version ", i + 1, " of the database is \"", done[i].Text("name"),
                                "\", of this binary \"", migrations[i].name, "\""));
  }
  return absl::OkStatus();
}

absl::Status Apply(Transaction& tx, const Migration& migration, int64_t version) {
  const bool sqlite = tx.dialect() == Dialect::kSqlite;
  absl::Status status = tx.Script(
      absl::StrReplaceAll(sqlite ? migration.sql.sqlite : migration.sql.postgresql, {{"{blob}", sqlite ? "BLOB" : "BYTEA"}}));
  if (!status.ok()) return absl::Status(status.code(), absl::StrCat("migration \"", migration.name, "\": ", status.message()));
  return tx.Execute("INSERT INTO schema_version (version, name, applied_at) VALUES ($1, $2, $3)",
                    {version, migration.name, absl::ToUnixMicros(absl::Now())}).status();  // lint: allow (a record of when)
}

}  // namespace

absl::Status Migrate(Database& database, std::span<const Migration> migrations) {
  return database.Write([&](Transaction& tx) -> absl::Status {
    // A table that has grown takes longer than any statement may; so does waiting for the replica that changes it.
    if (absl::Status lifted = tx.LiftLimits(); !lifted.ok()) return lifted;
    if (tx.dialect() == Dialect::kPostgresql) {
      auto locked = tx.Query(kLock);
      if (!locked.ok()) return locked.status();
    }
    absl::Status status = tx.Script(kTable);
    if (!status.ok()) return status;
    auto done = tx.Query("SELECT version, name FROM schema_version ORDER BY version");
    if (!done.ok()) return done.status();
    status = CheckHistory(*done, migrations);
    for (size_t i = done->size(); status.ok() && i < migrations.size(); ++i) {
      status = Apply(tx, migrations[i], static_cast<int64_t>(i) + 1);
    }
    return status;
  });
}

absl::StatusOr<int64_t> SchemaVersion(Database& database) {
  int64_t version = 0;
  absl::Status status = database.Read([&](Transaction& tx) -> absl::Status {
    const char* exists = tx.dialect() == Dialect::kSqlite
                             ? "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'"
                             : "SELECT 1 WHERE to_regclass('schema_version') IS NOT NULL";
    auto table = tx.Query(exists);
    if (!table.ok() || table->empty()) return table.status();
    auto rows = tx.Query("SELECT COALESCE(MAX(version), 0) AS version FROM schema_version");
    if (!rows.ok()) return rows.status();
    version = rows->front().Int("version");
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return version;
}

}  // namespace flattone::storage
