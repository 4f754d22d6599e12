#include "libs/storage/sqlite_session.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <unordered_map>

#include "absl/strings/str_cat.h"

namespace flattone::storage {
namespace {

constexpr size_t kCachedStatements = 256;

struct Finalize {
  void operator()(sqlite3_stmt* stmt) const { sqlite3_finalize(stmt); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

absl::Status FromSqlite(sqlite3* db, int code, absl::string_view what) {
  const int extended = db != nullptr ? sqlite3_extended_errcode(db) : code;
  const std::string message =
      absl::StrCat(what, ": ", db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code), " (", extended, ")");
  if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY) {
    return absl::AlreadyExistsError(message);
  }
  if (extended == SQLITE_CONSTRAINT_FOREIGNKEY) return absl::FailedPreconditionError(message);
  const int primary = extended & 0xff;
  if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) return absl::AbortedError(message);
  return absl::InternalError(message);
}

// Statements name their parameters $1, $2, …; SQLite numbers them by first appearance, so each is bound by
// its name.
int BindOne(sqlite3_stmt* stmt, int index, const Value& value) {
  const auto& v = value.get();
  if (const auto* number = std::get_if<int64_t>(&v)) return sqlite3_bind_int64(stmt, index, *number);
  if (const auto* number = std::get_if<double>(&v)) return sqlite3_bind_double(stmt, index, *number);
  if (const auto* text = std::get_if<std::string>(&v)) {
    return sqlite3_bind_text64(stmt, index, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  if (const auto* blob = std::get_if<Blob>(&v)) {
    if (blob->bytes.empty()) return sqlite3_bind_zeroblob(stmt, index, 0);
    return sqlite3_bind_blob64(stmt, index, blob->bytes.data(), blob->bytes.size(), SQLITE_STATIC);
  }
  return sqlite3_bind_null(stmt, index);
}

Value ReadOne(sqlite3_stmt* stmt, int column) {
  switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER: return Value(static_cast<int64_t>(sqlite3_column_int64(stmt, column)));
    case SQLITE_FLOAT: return Value(sqlite3_column_double(stmt, column));
    case SQLITE_NULL: return Value();
    case SQLITE_BLOB: {
      const char* data = static_cast<const char*>(sqlite3_column_blob(stmt, column));
      const int size = sqlite3_column_bytes(stmt, column);
      return Value(Blob{data != nullptr ? std::string(data, static_cast<size_t>(size)) : std::string()});
    }
    default: {
      const char* data = reinterpret_cast<const char*>(sqlite3_column_text(stmt, column));
      return Value(std::string(data, static_cast<size_t>(sqlite3_column_bytes(stmt, column))));
    }
  }
}

class SqliteSession final : public Session {
 public:
  explicit SqliteSession(sqlite3* db) : db_(db) {}
  ~SqliteSession() override {
    statements_.clear();
    sqlite3_close_v2(db_);
  }

  absl::Status Begin(Access access) override {
    // IMMEDIATE takes the write lock at once: a read that turns into a write could only fail.
    return Script(access == Access::kWrite ? "BEGIN IMMEDIATE" : "BEGIN");
  }
  absl::Status Commit() override { return Script("COMMIT"); }
  void Rollback() override {
    if (sqlite3_get_autocommit(db_) == 0) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  absl::Status Script(const std::string& sql) override {
    const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
    return code == SQLITE_OK ? absl::OkStatus() : FromSqlite(db_, code, "sqlite");
  }
  absl::StatusOr<Rows> Execute(std::string_view sql, std::span<const Value> values) override;
  absl::Status LiftLimits() override { return absl::OkStatus(); }  // it has none
  bool broken() const override { return false; }

 private:
  absl::StatusOr<sqlite3_stmt*> Prepare(std::string_view sql);
  absl::Status Bind(sqlite3_stmt* stmt, std::span<const Value> values);

  sqlite3* db_;
  std::unordered_map<std::string, Statement> statements_;
};

absl::StatusOr<sqlite3_stmt*> SqliteSession::Prepare(std::string_view sql) {
  std::string key(sql);
  const auto found = statements_.find(key);
  if (found != statements_.end()) return found->second.get();
  sqlite3_stmt* stmt = nullptr;
  const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &stmt, nullptr);
  if (code != SQLITE_OK) return FromSqlite(db_, code, "sqlite prepare");
  if (statements_.size() >= kCachedStatements) statements_.clear();
  statements_.emplace(std::move(key), Statement(stmt));
  return stmt;
}

absl::Status SqliteSession::Bind(sqlite3_stmt* stmt, std::span<const Value> values) {
  const int wanted = sqlite3_bind_parameter_count(stmt);
  for (int i = 1; i <= wanted; ++i) {
    const char* name = sqlite3_bind_parameter_name(stmt, i);
    const long number = name != nullptr && name[0] == '$' ? std::strtol(name + 1, nullptr, 10) : 0;
    if (number < 1 || static_cast<size_t>(number) > values.size()) {
      return absl::InternalError(absl::StrCat("sqlite: the statement wants a parameter that was not given, number ", number));
    }
    const int code = BindOne(stmt, i, values[static_cast<size_t>(number) - 1]);
    if (code != SQLITE_OK) return FromSqlite(db_, code, "sqlite bind");
  }
  return absl::OkStatus();
}

absl::StatusOr<Rows> SqliteSession::Execute(std::string_view sql, std::span<const Value> values) {
  auto prepared = Prepare(sql);
  if (!prepared.ok()) return prepared.status();
  sqlite3_stmt* stmt = *prepared;
  Rows result;
  absl::Status status = Bind(stmt, values);
  if (status.ok()) {
    const int before = sqlite3_total_changes(db_);
    int code = sqlite3_step(stmt);
    // After the first step, which prepares the statement anew where a migration has changed its table.
    auto columns = std::make_shared<Columns>();
    const int width = sqlite3_column_count(stmt);
    for (int i = 0; i < width; ++i) columns->push_back(sqlite3_column_name(stmt, i));
    for (; code == SQLITE_ROW; code = sqlite3_step(stmt)) {
      std::vector<Value> row;
      row.reserve(static_cast<size_t>(width));
      for (int i = 0; i < width; ++i) row.push_back(ReadOne(stmt, i));
      result.rows.emplace_back(columns, std::move(row));
    }
    if (code != SQLITE_DONE) status = FromSqlite(db_, code, "sqlite");
    // sqlite3_changes keeps the count of an older statement; the total does not move for a SELECT.
    result.affected = sqlite3_total_changes(db_) != before ? sqlite3_changes(db_) : 0;
  }
  // Bound text points into `values`: nothing of it may stay.
  sqlite3_reset(stmt);
  sqlite3_clear_bindings(stmt);
  if (!status.ok()) return status;
  return result;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> OpenSqlite(const std::string& path, absl::Duration busy) {
  // Made here for its mode, and touched only if it is new: closing any descriptor of the file ends all locks that this
  // process holds on it (fcntl), and another process that closes the database would then take itself for the last one
  // and remove the log from under us.
  const int fd = open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && errno != EEXIST) return absl::UnavailableError(absl::StrCat("cannot create the database file ", path));
  if (fd >= 0) close(fd);
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) {
    absl::Status status = FromSqlite(db, code, absl::StrCat("opening ", path));
    sqlite3_close_v2(db);
    return status;
  }
  auto session = std::make_unique<SqliteSession>(db);
  sqlite3_busy_timeout(db, static_cast<int>(absl::ToInt64Milliseconds(busy)));
  for (const char* pragma : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON"}) {
    absl::Status status = session->Script(pragma);
    if (!status.ok()) return status;
  }
  return std::unique_ptr<Session>(std::move(session));
}

}  // namespace flattone::storage
