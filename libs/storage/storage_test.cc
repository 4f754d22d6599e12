#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <limits>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/storage/database.h"
#include "libs/storage/scratch.h"
#include "libs/testing/catch.h"

namespace flattone::storage {
namespace {

using testing::Backend;
using testing::Backends;
using testing::ScratchDatabase;

struct Fixture {
  explicit Fixture(Backend backend, Options options = {}) : scratch(backend) {
    auto opened = Database::Open(scratch.url(), std::move(options));
    REQUIRE(opened.ok());
    db = std::move(*opened);
  }
  void Script(const std::string& sql) {
    REQUIRE(db->Write([&](Transaction& tx) { return tx.Script(sql); }).ok());
  }
  int64_t Number(const std::string& sql) {
    int64_t number = -1;
    REQUIRE(db->Read([&](Transaction& tx) -> absl::Status {
              auto rows = tx.Query(sql);
              if (rows.ok() && !rows->empty()) number = rows->front().Int(0);
              return rows.status();
            }).ok());
    return number;
  }
  ScratchDatabase scratch;
  std::unique_ptr<Database> db;
};

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

TEST_CASE("Writes that read under ForUpdate never lose an update, from many threads and two processes' pools") {
  const Backend backend = GENERATE(from_range(Backends()));
  Fixture f(backend, {.sessions = 4});
  auto second = Database::Open(f.scratch.url(), {.sessions = 4});
  REQUIRE(second.ok());
  f.Script("CREATE TABLE c (id BIGINT PRIMARY KEY, n BIGINT)");
  f.Script("INSERT INTO c VALUES (1, 0)");
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    Database& db = t % 2 ? *f.db : **second;
    threads.emplace_back([&db, &failures] {
      for (int i = 0; i < 25; ++i) {
        const absl::Status status = db.Write([](Transaction& tx) -> absl::Status {
          auto rows = tx.Query("SELECT n FROM c WHERE id = 1" + tx.ForUpdate());
          if (!rows.ok()) return rows.status();
          return tx.Execute("UPDATE c SET n = $1 WHERE id = 1", {rows->front().Int("n") + 1}).status();
        });
        if (!status.ok()) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(f.Number("SELECT n FROM c") == 150);
}

TEST_CASE("Deadlocks and serialisation failures are run again, and reported") {
  const Backend backend = GENERATE(from_range(Backends()));
  std::atomic<int> reruns{0};
  Fixture f(backend, {.sessions = 4, .on_transaction = [&](const TransactionReport& r) { reruns += r.attempts - 1; }});
  f.Script("CREATE TABLE c (id BIGINT PRIMARY KEY, n BIGINT)");
  f.Script("INSERT INTO c VALUES (1, 0), (2, 0)");
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&f, &failures, t] {
      for (int i = 0; i < 10; ++i) {
        const absl::Status status = f.db->WriteSerializable([t](Transaction& tx) -> absl::Status {
          auto sum = tx.Query("SELECT SUM(n) AS s FROM c");
          if (!sum.ok()) return sum.status();
          return tx.Execute("UPDATE c SET n = n + 1 WHERE id = $1", {t % 2 + 1}).status();
        });
        if (!status.ok() && !absl::IsAborted(status)) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  if (backend == Backend::kPostgresql) CHECK(reruns > 0);
}

TEST_CASE("A read sees one snapshot while others write") {
  const Backend backend = GENERATE(from_range(Backends()));
  Fixture f(backend);
  f.Script("CREATE TABLE c (n BIGINT)");
  REQUIRE(f.db->Read([&](Transaction& tx) -> absl::Status {
            auto before = tx.Query("SELECT COUNT(*) AS n FROM c");
            std::thread writer([&f] { f.Script("INSERT INTO c VALUES (1)"); });
            writer.join();
            auto after = tx.Query("SELECT COUNT(*) AS n FROM c");
            REQUIRE(before.ok());
            REQUIRE(after.ok());
            CHECK(before->front().Int("n") == 0);
            CHECK(after->front().Int("n") == 0);
            return absl::OkStatus();
          }).ok());
  CHECK(f.Number("SELECT COUNT(*) FROM c") == 1);
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

TEST_CASE("A full pool answers RESOURCE_EXHAUSTED within its time") {
  const Backend backend = GENERATE(from_range(Backends()));
  Fixture f(backend, {.sessions = 1, .acquire_timeout = absl::Milliseconds(20)});
  absl::Status inner;
  REQUIRE(f.db->Write([&](Transaction&) -> absl::Status {
            std::thread other([&] { inner = f.db->Write([](Transaction&) { return absl::OkStatus(); }); });
            other.join();
            return absl::OkStatus();
          }).ok());
  CHECK(absl::IsResourceExhausted(inner));
}

TEST_CASE("A statement lost with its connection is run again on a new one") {
  if (Backends().size() < 2) return;
  Fixture f(Backend::kPostgresql);
  Fixture killer(Backend::kPostgresql);
  f.Script("CREATE TABLE c (n BIGINT)");
  int runs = 0;
  REQUIRE(f.db->Write([&](Transaction& tx) -> absl::Status {
            auto pid = tx.Query("SELECT pg_backend_pid() AS pid");
            if (!pid.ok()) return pid.status();
            if (++runs == 1) {
              const int64_t victim = pid->front().Int("pid");
              std::thread other([&] { killer.Number(absl::StrCat("SELECT CASE WHEN pg_terminate_backend(", victim, ") THEN 1 ELSE 0 END")); });
              other.join();
            }
            return tx.Execute("INSERT INTO c VALUES (1)").status();
          }).ok());
  CHECK(runs == 2);
  CHECK(f.Number("SELECT COUNT(*) FROM c") == 1);
}

TEST_CASE("Text with a NUL byte is refused by PostgreSQL instead of cut short") {
  if (Backends().size() < 2) return;
  Fixture f(Backend::kPostgresql);
  CHECK(absl::IsInvalidArgument(f.db->Read([](Transaction& tx) { return tx.Query("SELECT $1", {std::string("a\0b", 3)}).status(); })));
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
