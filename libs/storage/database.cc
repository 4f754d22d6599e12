#include "libs/storage/database.h"

#include <chrono>
#include <thread>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/storage/postgresql_session.h"
#include "libs/storage/sqlite_session.h"

namespace flattone::storage {
namespace {

using SteadyClock = std::chrono::steady_clock;

// A second session for the same thread could wait for the first for ever.
thread_local const Database* in_transaction = nullptr;

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

// Attempts back off 1, 2, 4 … 64 ms, spread by the thread so that two rivals do not meet again.
void BackOff(int attempt) {
  const auto spread = std::hash<std::thread::id>{}(std::this_thread::get_id()) % 1000;
  const int shift = attempt < 7 ? attempt - 1 : 6;
  std::this_thread::sleep_for(std::chrono::microseconds((1000 + spread) << shift));
}

}  // namespace

struct Database::Pool {
  std::mutex mutex;
  std::condition_variable freed;
  std::vector<std::unique_ptr<Session>> idle;
  int open = 0;  // idle and lent
  int limit = 1;
};

absl::StatusOr<Rows> Transaction::Query(std::string_view sql, std::span<const Value> values) {
  if (!failed_.ok()) return failed_;
  auto rows = session_.Execute(sql, values);
  if (!rows.ok()) failed_ = rows.status();
  return rows;
}

absl::StatusOr<int64_t> Transaction::Execute(std::string_view sql, std::span<const Value> values) {
  auto rows = Query(sql, values);
  if (!rows.ok()) return rows.status();
  return rows->affected;
}

absl::Status Transaction::Script(const std::string& sql) {
  if (!failed_.ok()) return failed_;
  failed_ = session_.Script(sql);
  return failed_;
}

absl::Status Transaction::LiftLimits() {
  if (!failed_.ok()) return failed_;
  failed_ = session_.LiftLimits();
  return failed_;
}

absl::Status Transaction::Nested(const std::function<absl::Status(Transaction&)>& fn) {
  const std::string name = absl::StrCat("ft_", depth_);
  absl::Status status = Script("SAVEPOINT " + name);
  if (!status.ok()) return status;
  ++depth_;
  status = fn(*this);
  --depth_;
  if (status.ok()) status = failed_;
  if (status.ok()) return Script("RELEASE SAVEPOINT " + name);
  // A deadlock or a lost connection ends the whole transaction; anything else only the part.
  if (absl::IsAborted(failed_) || session_.broken()) {
    if (failed_.ok()) failed_ = status;
    return status;
  }
  failed_ = session_.Script("ROLLBACK TO SAVEPOINT " + name + "; RELEASE SAVEPOINT " + name);
  return status;
}

Database::Database(Dialect dialect, std::string target, Options options)
    : dialect_(dialect), target_(std::move(target)), options_(std::move(options)), writers_(std::make_unique<Pool>()) {
  if (dialect_ == Dialect::kPostgresql) {
    writers_->limit = options_.sessions > 0 ? options_.sessions : 1;
  } else {
    readers_ = std::make_unique<Pool>();
    readers_->limit = options_.sessions > 1 ? options_.sessions - 1 : 1;
  }
}

Database::~Database() = default;

absl::StatusOr<std::unique_ptr<Database>> Database::Open(std::string_view url, Options options) {
  Dialect dialect;
  std::string target;
  if (url.rfind("sqlite:", 0) == 0 && url.size() > 7) {
    dialect = Dialect::kSqlite;
    target = std::string(url.substr(7));
  } else if (url.rfind("postgresql://", 0) == 0 || url.rfind("postgres://", 0) == 0) {
    dialect = Dialect::kPostgresql;
    target = std::string(url);
  } else {
    // The URL itself may hold a password: it is not repeated.
    return InvalidField("database", "has an unknown scheme", "sqlite:/path/to/file.db or postgresql://user:password@host/database");
  }
  std::unique_ptr<Database> database(new Database(dialect, std::move(target), std::move(options)));
  absl::Status health = database->Health();
  if (!health.ok()) return health;
  return database;
}

absl::StatusOr<std::unique_ptr<Session>> Database::Connect() const {
  return dialect_ == Dialect::kSqlite ? OpenSqlite(target_, options_.statement_timeout)
                                      : OpenPostgresql(target_, options_.statement_timeout);
}

absl::StatusOr<std::unique_ptr<Session>> Database::Acquire(Access access) {
  Pool& pool = access == Access::kRead && readers_ != nullptr ? *readers_ : *writers_;
  std::unique_lock lock(pool.mutex);
  const bool free = pool.freed.wait_for(lock, absl::ToChronoMilliseconds(options_.acquire_timeout),
                                        [&pool] { return !pool.idle.empty() || pool.open < pool.limit; });
  if (!free) return absl::ResourceExhaustedError("every database session is busy; try again later");
  if (!pool.idle.empty()) {
    std::unique_ptr<Session> session = std::move(pool.idle.back());
    pool.idle.pop_back();
    return session;
  }
  ++pool.open;
  lock.unlock();
  auto session = Connect();
  if (!session.ok()) Release(access, nullptr);
  return session;
}

void Database::Release(Access access, std::unique_ptr<Session> session) {
  Pool& pool = access == Access::kRead && readers_ != nullptr ? *readers_ : *writers_;
  {
    std::lock_guard lock(pool.mutex);
    if (session != nullptr && session->broken()) {
      // The server went away: its other connections are as dead.
      session.reset();
      pool.open -= static_cast<int>(pool.idle.size());
      pool.idle.clear();
    }
    if (session != nullptr) pool.idle.push_back(std::move(session));
    else --pool.open;
  }
  pool.freed.notify_one();
}

// `again`: the database refused for a reason that passes. A closure's own ABORTED or UNAVAILABLE is handed on,
// and a connection lost during COMMIT reports UNKNOWN: neither is run again.
absl::Status Database::RunOnce(Session& session, Access access, const Work& work, bool& again) {
  const auto passes = [](const absl::Status& s) { return absl::IsAborted(s) || absl::IsUnavailable(s); };
  const bool interrupted = access == Access::kWrite && options_.interrupt_write;
  if (interrupted) {
    again = false;
    if (absl::Status cut = options_.interrupt_write(WritePoint::kBegin); !cut.ok()) return cut;
  }
  absl::Status status = session.Begin(access);
  again = passes(status);
  if (!status.ok()) return status;
  Transaction tx(session, dialect_);
  status = work(tx);
  if (!tx.failed_.ok() && (status.ok() || passes(tx.failed_))) status = tx.failed_;
  if (!status.ok()) {
    session.Rollback();
    again = passes(tx.failed_);
    return status;
  }
  status = session.Commit();
  again = absl::IsAborted(status);
  if (!status.ok()) session.Rollback();
  else if (interrupted) status = options_.interrupt_write(WritePoint::kCommitted);
  return status;
}

absl::Status Database::Run(Access access, const Work& work) {
  if (in_transaction == this) return absl::FailedPreconditionError("a transaction was begun inside a transaction");
  const Database* outer = std::exchange(in_transaction, this);
  absl::Cleanup leave = [outer] { in_transaction = outer; };
  TransactionReport report{.access = access};
  absl::Status status;
  for (report.attempts = 1;; ++report.attempts) {
    const auto asked = SteadyClock::now();
    auto session = Acquire(access);
    report.wait_seconds += SecondsSince(asked);
    const auto begun = SteadyClock::now();
    bool again = false;
    if (session.ok()) {
      status = RunOnce(**session, access, work, again);
      Release(access, std::move(*session));
    } else {
      status = session.status();
    }
    report.run_seconds += SecondsSince(begun);
    if (!again || report.attempts >= options_.max_attempts) break;
    BackOff(report.attempts);
  }
  report.outcome = status.code();
  if (options_.on_transaction) options_.on_transaction(report);
  return status;
}

absl::Status Database::Health() {
  return Read([](Transaction& tx) { return tx.Query("SELECT 1").status(); });
}

}  // namespace flattone::storage
