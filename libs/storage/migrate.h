// Brings a database's schema to what the binary expects, at start.
//
//   const std::vector<Migration> kMigrations = {
//       {"attempt ledger", "CREATE TABLE attempt (id TEXT PRIMARY KEY, body {blob} NOT NULL, at BIGINT NOT NULL)"},
//       {"faster lookups", {"CREATE … for SQLite", "CREATE … for PostgreSQL"}},
//   };
//
// The list only grows; position is the version. All steps run in one transaction under a lock, so two replicas
// that start together do the work once; it has no time limit. `{blob}` stands for BLOB or BYTEA.
#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"
#include "libs/storage/database.h"

namespace flattone::storage {

struct Sql {
  Sql(const char* both) : sqlite(both), postgresql(both) {}
  Sql(std::string both) : sqlite(both), postgresql(std::move(both)) {}
  Sql(std::string for_sqlite, std::string for_postgresql)
      : sqlite(std::move(for_sqlite)), postgresql(std::move(for_postgresql)) {}
  std::string sqlite;
  std::string postgresql;
};

struct Migration {
  std::string name;  // kept in schema_version, compared on every start
  Sql sql;
};

// FAILED_PRECONDITION, changing nothing, when the database is newer than this binary (`schema_newer`) or was
// made by another history (`schema_differs`).
absl::Status Migrate(Database& database, std::span<const Migration> migrations);

// The version the database stands at; 0 before the first migration.
absl::StatusOr<int64_t> SchemaVersion(Database& database);

}  // namespace flattone::storage
