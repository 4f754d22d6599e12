// The one seam over SQLite and PostgreSQL 15.
//
//   auto db = Database::Open("sqlite:/var/lib/flattone/vault.db", {});      // or postgresql://user:pw@host/db
//   absl::Status migrated = Migrate(**db, kMigrations);                      // libs/storage/migrate.h
//   absl::Status done = (*db)->Write([&](Transaction& tx) -> absl::Status {
//     auto rows = tx.Query("SELECT state FROM attempt WHERE id = $1" + tx.ForUpdate(), {id});
//     if (!rows.ok()) return rows.status();
//     return tx.Execute("UPDATE attempt SET state = $1 WHERE id = $2", {state, id}).status();
//   });
//
// - Parameters are $1, $2, … on both. SQL stays in the common subset: ON CONFLICT, RETURNING, partial indexes,
//   FILTER, common table expressions all work on both.
// - Write: SQLite takes its one write lock at the start (BEGIN IMMEDIATE); PostgreSQL runs READ COMMITTED, so
//   rows that decide something are read with ForUpdate(). Read: one snapshot on both, no writing.
// - The closure may run several times (deadlock, serialisation failure, busy, a connection lost before COMMIT):
//   it must not act outside the transaction. Anything it returns but OK rolls back and is handed to the caller;
//   a failed statement fails the transaction on both databases, even if the closure ignores it. Where a row
//   may exist already, ask ON CONFLICT DO NOTHING and look at `affected`.
// - UNKNOWN from Write means that the connection died during COMMIT: the rows may or may not be there; ask.
#pragma once

#include <condition_variable>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/storage/session.h"
#include "libs/storage/value.h"

namespace flattone::storage {

// What a transaction cost, told to Options::on_transaction after each one, from the caller's thread.
struct TransactionReport {
  Access access = Access::kRead;
  absl::StatusCode outcome = absl::StatusCode::kOk;
  int attempts = 1;         // more than 1: it was run again
  double wait_seconds = 0;  // for a session of the pool
  double run_seconds = 0;   // from BEGIN to the end of COMMIT, all attempts
};

// Where a write may be cut off: before its first statement, and after its COMMIT was done.
enum class WritePoint { kBegin, kCommitted };

struct Options {
  int sessions = 8;                                      // PostgreSQL; SQLite: one writer and sessions − 1 readers
  absl::Duration acquire_timeout = absl::Seconds(5);     // for a session, then RESOURCE_EXHAUSTED
  absl::Duration statement_timeout = absl::Seconds(10);  // PostgreSQL: per statement and lock; SQLite: write lock
  int max_attempts = 8;
  std::function<void(const TransactionReport&)> on_transaction;
  // For tests: what it returns at kBegin and kCommitted is what the writer hears, as if the connection had failed there.
  std::function<absl::Status(WritePoint)> interrupt_write;
};

class Transaction {
 public:
  // One statement. ALREADY_EXISTS for a unique violation; see session.h for the other codes.
  absl::StatusOr<Rows> Query(std::string_view sql, std::span<const Value> values);
  absl::StatusOr<Rows> Query(std::string_view sql, std::initializer_list<Value> values = {}) {
    return Query(sql, std::span<const Value>(values.begin(), values.size()));
  }
  // As Query, for statements whose rows do not matter: how many rows changed.
  absl::StatusOr<int64_t> Execute(std::string_view sql, std::span<const Value> values);
  absl::StatusOr<int64_t> Execute(std::string_view sql, std::initializer_list<Value> values = {}) {
    return Execute(sql, std::span<const Value>(values.begin(), values.size()));
  }
  // Several statements without parameters (DDL).
  absl::Status Script(const std::string& sql);
  // The rest of this transaction takes the time that it takes, on either side, waiting for locks too (migrate.h).
  absl::Status LiftLimits();
  // Runs `fn` inside a savepoint: if it fails, its changes are undone and the transaction goes on.
  absl::Status Nested(const std::function<absl::Status(Transaction&)>& fn);

  Dialect dialect() const { return dialect_; }
  // The first failed statement's status: everything after it is refused with it.
  const absl::Status& failure() const { return failed_; }
  // To append to a SELECT whose rows decide what is written. Empty on SQLite, whose writer is alone.
  std::string ForUpdate() const { return dialect_ == Dialect::kPostgresql ? " FOR UPDATE" : ""; }
  // To append to a SELECT whose rows must stay while something that names them is written.
  std::string ForShare() const { return dialect_ == Dialect::kPostgresql ? " FOR SHARE" : ""; }
  // As ForUpdate, for a queue with several workers: rows that another worker holds are left out.
  std::string ForUpdateSkipLocked() const { return dialect_ == Dialect::kPostgresql ? " FOR UPDATE SKIP LOCKED" : ""; }

 private:
  friend class Database;
  Transaction(Session& session, Dialect dialect) : session_(session), dialect_(dialect) {}
  Session& session_;
  Dialect dialect_;
  int depth_ = 0;
  absl::Status failed_;
};

class Database {
 public:
  using Work = std::function<absl::Status(Transaction&)>;

  // Opens one session at once, so that a wrong address is told at start; the others when needed.
  // INVALID_ARGUMENT for an unknown scheme, UNAVAILABLE when it cannot be reached.
  static absl::StatusOr<std::unique_ptr<Database>> Open(std::string_view url, Options options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Any thread; blocks. A transaction inside a transaction of the same thread is refused.
  absl::Status Write(const Work& work) { return Run(Access::kWrite, work); }
  absl::Status Read(const Work& work) { return Run(Access::kRead, work); }

  // Does the database answer? For readiness, not for liveness.
  absl::Status Health();
  Dialect dialect() const { return dialect_; }

 private:
  struct Pool;
  Database(Dialect dialect, std::string target, Options options);
  absl::Status Run(Access access, const Work& work);
  absl::Status RunOnce(Session& session, Access access, const Work& work, bool& again);
  absl::StatusOr<std::unique_ptr<Session>> Acquire(Access access);
  void Release(Access access, std::unique_ptr<Session> session);
  absl::StatusOr<std::unique_ptr<Session>> Connect() const;

  const Dialect dialect_;
  const std::string target_;
  const Options options_;
  std::unique_ptr<Pool> writers_;  // the only pool on PostgreSQL
  std::unique_ptr<Pool> readers_;
};

}  // namespace flattone::storage
