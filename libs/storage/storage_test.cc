#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <limits>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/storage/fixture.h"

namespace flattone::storage {
namespace {

TEST_CASE("Every kind of value comes back as it went in") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string blob_type = backend == Backend::kSqlite ? "BLOB" : "BYTEA";
  f.Script("CREATE TABLE v (id BIGINT PRIMARY KEY, n BIGINT, d DOUBLE PRECISION, t TEXT, b " + blob_type + ")");
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  bytes += std::string("\0\\x00'", 6);
  const std::string text = "O'Brien \\ \"q\" $1 ? :x £ \xE2\x82\xAC";
  REQUIRE(f.db->Write([&](Transaction& tx) -> absl::Status {
            auto a = tx.Execute("INSERT INTO v (id, n, d, t, b) VALUES ($1, $2, $3, $4, $5)",
                                {1, std::numeric_limits<int64_t>::min(), 0.1, text, Blob{bytes}});
            auto b = tx.Execute("INSERT INTO v (id, n, d, t, b) VALUES ($1, $2, $3, $4, $5)",
                                {2, std::numeric_limits<int64_t>::max(), -1e300, "", Blob{}});
            auto c = tx.Execute("INSERT INTO v (id, n, d, t, b) VALUES ($1, $2, $3, $4, $5)",
                                {3, nullptr, nullptr, nullptr, nullptr});
            CHECK(a.value_or(0) == 1);
            return c.ok() ? b.status() : c.status();
          }).ok());
  REQUIRE(f.db->Read([&](Transaction& tx) -> absl::Status {
            auto rows = tx.Query("SELECT id, n, d, t, b FROM v ORDER BY id");
            REQUIRE(rows.ok());
            REQUIRE(rows->size() == 3);
            CHECK(rows->affected == 0);
            const Row& a = (*rows)[0];
            CHECK(a.Int("n") == std::numeric_limits<int64_t>::min());
            CHECK(a.Double("d") == 0.1);
            CHECK(a.Text("t") == text);
            CHECK(a.Bytes("b") == bytes);
            const Row& b = (*rows)[1];
            CHECK(b.Int(1) == std::numeric_limits<int64_t>::max());
            CHECK(b.Double("d") == -1e300);
            CHECK_FALSE(b.IsNull("t"));
            CHECK(b.Text("t").empty());
            CHECK_FALSE(b.IsNull("b"));
            CHECK(b.Bytes("b").empty());
            const Row& c = (*rows)[2];
            for (const char* name : {"n", "d", "t", "b"}) CHECK(c.IsNull(name));
            CHECK_FALSE(c.OptInt("n").has_value());
            CHECK(a.OptText("t") == text);
            return absl::OkStatus();
          }).ok());
}

TEST_CASE("Parameters may repeat, come in any order and exceed 32 bits in an expression") {
  const Backend backend = GENERATE(from_range(Backends()));
  Fixture f(backend);
  REQUIRE(f.db->Read([](Transaction& tx) -> absl::Status {
            auto rows = tx.Query("SELECT $2 - $1 AS difference, $1 + $1 AS twice, $3 AS t", {int64_t{3'000'000'000}, int64_t{10'000'000'000}, "x"});
            REQUIRE(rows.ok());
            CHECK(rows->front().Int("difference") == 7'000'000'000);
            CHECK(rows->front().Int("twice") == 6'000'000'000);
            CHECK(rows->front().Text("t") == "x");
            return absl::OkStatus();
          }).ok());
}

TEST_CASE("SUM over BIGINT reads as a number") {
  const Backend backend = GENERATE(from_range(Backends()));
  Fixture f(backend);
  f.Script("CREATE TABLE s (n BIGINT)");
  f.Script("INSERT INTO s VALUES (5000000000), (7)");
  CHECK(f.Number("SELECT SUM(n) FROM s") == 5'000'000'007);
  CHECK(f.Number("SELECT COUNT(*) FROM s WHERE n > 7") == 1);
}

TEST_CASE("A unique violation is ALREADY_EXISTS, rolls back and never repeats the value") {
  const Backend backend = GENERATE(from_range(Backends()));
  Fixture f(backend);
  f.Script("CREATE TABLE u (k TEXT PRIMARY KEY, live BIGINT)");
  f.Script("CREATE UNIQUE INDEX u_live ON u (k) WHERE live = 1");
  const absl::Status status = f.db->Write([](Transaction& tx) -> absl::Status {
    REQUIRE(tx.Execute("INSERT INTO u VALUES ($1, $2)", {"first-value", 0}).ok());
    return tx.Execute("INSERT INTO u VALUES ($1, $2)", {"first-value", 0}).status();
  });
  CHECK(absl::IsAlreadyExists(status));
  CHECK(std::string(status.message()).find("first-value") == std::string::npos);
  CHECK(f.Number("SELECT COUNT(*) FROM u") == 0);
}

TEST_CASE("A failed statement fails the transaction even when the closure ignores it") {
  const Backend backend = GENERATE(from_range(Backends()));
  Fixture f(backend);
  f.Script("CREATE TABLE u (k TEXT PRIMARY KEY)");
  const absl::Status status = f.db->Write([](Transaction& tx) -> absl::Status {
    (void)tx.Execute("INSERT INTO u VALUES ('a')");
    (void)tx.Execute("INSERT INTO u VALUES ('a')");
    CHECK_FALSE(tx.Execute("INSERT INTO u VALUES ('b')").ok());
    return absl::OkStatus();
  });
  CHECK(absl::IsAlreadyExists(status));
  CHECK(f.Number("SELECT COUNT(*) FROM u") == 0);
  // The session serves the next caller.
  f.Script("INSERT INTO u VALUES ('c')");
  CHECK(f.Number("SELECT COUNT(*) FROM u") == 1);
}

TEST_CASE("A nested part that fails is undone alone") {
  const Backend backend = GENERATE(from_range(Backends()));
  Fixture f(backend);
  f.Script("CREATE TABLE u (k TEXT PRIMARY KEY)");
  REQUIRE(f.db->Write([](Transaction& tx) -> absl::Status {
            REQUIRE(tx.Execute("INSERT INTO u VALUES ('a')").ok());
            CHECK(absl::IsAlreadyExists(tx.Nested([](Transaction& inner) -> absl::Status {
              REQUIRE(inner.Execute("INSERT INTO u VALUES ('b')").ok());
              return inner.Execute("INSERT INTO u VALUES ('a')").status();
            })));
            return tx.Nested([](Transaction& inner) { return inner.Execute("INSERT INTO u VALUES ('c')").status(); });
          }).ok());
  CHECK(f.Number("SELECT COUNT(*) FROM u WHERE k IN ('a', 'c')") == 2);
  CHECK(f.Number("SELECT COUNT(*) FROM u") == 2);
}

TEST_CASE("The closure's own error is handed on once and rolls back") {
  const Backend backend = GENERATE(from_range(Backends()));
  const absl::StatusCode code = GENERATE(absl::StatusCode::kNotFound, absl::StatusCode::kAborted, absl::StatusCode::kUnavailable);
  Fixture f(backend);
  f.Script("CREATE TABLE u (k TEXT PRIMARY KEY)");
  int runs = 0;
  const absl::Status status = f.db->Write([&](Transaction& tx) -> absl::Status {
    ++runs;
    REQUIRE(tx.Execute("INSERT INTO u VALUES ('a')").ok());
    return absl::Status(code, "mine");
  });
  CHECK(status.code() == code);
  CHECK(runs == 1);
  CHECK(f.Number("SELECT COUNT(*) FROM u") == 0);
}

TEST_CASE("A transaction inside a transaction is refused instead of waiting for itself") {
  const Backend backend = GENERATE(from_range(Backends()));
  Fixture f(backend);
  CHECK(absl::IsFailedPrecondition(f.db->Write([&](Transaction&) { return f.db->Write([](Transaction&) { return absl::OkStatus(); }); })));
  CHECK(f.db->Health().ok());
}

TEST_CASE("A statement that was prepared before a column was added goes on working") {
  const Backend backend = GENERATE(from_range(Backends()));
  const bool writes = GENERATE(true, false);
  Fixture f(backend, {.sessions = 2});
  f.Script("CREATE TABLE c (id BIGINT PRIMARY KEY)");
  f.Script("INSERT INTO c VALUES (1)");
  size_t columns = 0;
  const auto look = [&] {
    const auto work = [&](Transaction& tx) -> absl::Status {
      auto rows = tx.Query("SELECT * FROM c");
      if (rows.ok()) columns = rows->front().size();
      return rows.status();
    };
    return writes ? f.db->Write(work) : f.db->Read(work);
  };
  REQUIRE(look().ok());
  CHECK(columns == 1);
  auto newer = std::move(Database::Open(f.scratch.url(), {})).value();
  REQUIRE(newer->Write([](Transaction& tx) { return tx.Script("ALTER TABLE c ADD COLUMN n BIGINT NOT NULL DEFAULT 0"); }).ok());
  REQUIRE(look().ok());
  CHECK(columns == 2);
}

TEST_CASE("Committed rows are there for the next process") {
  const Backend backend = GENERATE(from_range(Backends()));
  Fixture f(backend);
  f.Script("CREATE TABLE c (n BIGINT)");
  f.Script("INSERT INTO c VALUES (41)");
  f.db.reset();
  auto again = Database::Open(f.scratch.url(), {});
  REQUIRE(again.ok());
  f.db = std::move(*again);
  CHECK(f.Number("SELECT n FROM c") == 41);
}

TEST_CASE("Text with a NUL byte is refused by PostgreSQL instead of cut short") {
  if (Backends().size() < 2) return;
  Fixture f(Backend::kPostgresql);
  CHECK(absl::IsInvalidArgument(f.db->Read([](Transaction& tx) { return tx.Query("SELECT $1", {std::string("a\0b", 3)}).status(); })));
}

TEST_CASE("PostgreSQL: a statement out of time is DEADLINE_EXCEEDED, undone, and the session serves on") {
  if (Backends().size() < 2) return;
  Fixture f(Backend::kPostgresql, {.sessions = 1, .statement_timeout = absl::Milliseconds(100)});
  f.Script("CREATE TABLE t (n BIGINT)");
  const auto late = f.db->Write([](Transaction& tx) -> absl::Status {
    auto put = tx.Execute("INSERT INTO t VALUES (1)");
    if (!put.ok()) return put.status();
    return tx.Query("SELECT pg_sleep(5)").status();
  });
  CHECK(absl::IsDeadlineExceeded(late));
  CHECK(f.Number("SELECT COUNT(*) FROM t") == 0);
}

TEST_CASE("PostgreSQL: a server that stands still is waited for a bounded time, and nothing that it held is kept") {
  if (Backends().size() < 2) return;
  Fixture f(Backend::kPostgresql, {.sessions = 1, .statement_timeout = absl::Milliseconds(200)});
  f.Script("CREATE TABLE t (n BIGINT)");
  pid_t server = 0;
  const auto stop = [&](Transaction& tx) -> absl::Status {
    auto put = tx.Execute("INSERT INTO t VALUES (1)");
    if (!put.ok()) return put.status();
    auto pid = tx.Query("SELECT pg_backend_pid()");
    if (!pid.ok()) return pid.status();
    server = static_cast<pid_t>(pid->front().Int(0));
    return kill(server, SIGSTOP) == 0 ? absl::OkStatus() : absl::InternalError("the server's process cannot be stopped");
  };
  const auto begun = std::chrono::steady_clock::now();
  SECTION("between two statements") {
    CHECK(absl::IsDeadlineExceeded(f.db->Write([&](Transaction& tx) -> absl::Status {
      if (auto stopped = stop(tx); !stopped.ok()) return stopped;
      return tx.Query("SELECT 1").status();
    })));
  }
  SECTION("with more to send than any buffer takes") {
    CHECK(absl::IsDeadlineExceeded(f.db->Write([&](Transaction& tx) -> absl::Status {
      if (auto stopped = stop(tx); !stopped.ok()) return stopped;
      return tx.Query("SELECT $1", {std::string(32 << 20, 'x')}).status();
    })));
  }
  SECTION("at the commit: nobody knows") { CHECK(absl::IsUnknown(f.db->Write(stop))); }
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(5));
  REQUIRE(server != 0);
  REQUIRE(kill(server, SIGCONT) == 0);
  f.Number("SELECT COUNT(*) FROM t");  // another session serves
}

TEST_CASE("An unknown scheme and an unreachable server are told at open, without the password") {
  const auto unknown = Database::Open("mysql://u:hunter2@h/d", {});
  CHECK(absl::IsInvalidArgument(unknown.status()));
  CHECK(std::string(unknown.status().message()).find("hunter2") == std::string::npos);
  const auto refused = Database::Open("postgresql://u:hunter2@127.0.0.1:1/d", {.max_attempts = 1});
  CHECK(absl::IsUnavailable(refused.status()));
  CHECK(std::string(refused.status().message()).find("hunter2") == std::string::npos);
  CHECK(absl::IsUnavailable(Database::Open("sqlite:/nonexistent/dir/x.db", {}).status()));
}

// A child asks the kernel, as another SQLite would before it takes itself for the last user: byte range from sqlite's
// os.h (SHARED_FIRST, SHARED_SIZE).
bool AnotherProcessMayTakeAll(const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 0x40000000 + 2;
    lock.l_len = 510;
    const int fd = open(path.c_str(), O_RDWR);
    _exit(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_UNLCK ? 1 : 0);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

TEST_CASE("SQLite: while a database is open another process cannot take its log away, however many sessions were opened") {
  testing::ScratchDatabase scratch(testing::Backend::kSqlite);
  const std::string path = scratch.url().substr(std::string("sqlite:").size());
  {
    auto db = std::move(Database::Open(scratch.url(), {})).value();
    REQUIRE(db->Write([](Transaction& tx) { return tx.Script("CREATE TABLE t (a BIGINT)"); }).ok());
    // A second session of the pool, and a second database on the same file.
    auto other = std::move(Database::Open(scratch.url(), {})).value();
    for (auto* one : {db.get(), other.get()}) {
      REQUIRE(one->Read([](Transaction& tx) { return tx.Query("SELECT a FROM t").status(); }).ok());
    }
    CHECK_FALSE(AnotherProcessMayTakeAll(path));
  }
  CHECK(AnotherProcessMayTakeAll(path));
}

}  // namespace
}  // namespace flattone::storage
