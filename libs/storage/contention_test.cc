// Several transactions at once.
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/storage/fixture.h"

namespace flattone::storage {
namespace {

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

// Lets the first run of each of two transactions come this far before either goes on; later runs pass.
class Rendezvous {
 public:
  void Meet(int runs) {
    if (runs > 1) return;
    ++here_;
    while (here_ < 2) std::this_thread::yield();
  }

 private:
  std::atomic<int> here_{0};
};

// Two transactions at once, each told which it is and how often it ran. How many runs there were beyond two.
int Collide(Database& db, std::atomic<int>& reruns, const std::function<absl::Status(Transaction&, int, int)>& work) {
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int which = 0; which < 2; ++which) {
    threads.emplace_back([&, which] {
      int runs = 0;
      const auto once = [&](Transaction& tx) { return work(tx, which, ++runs); };
      if (!db.Write(once).ok()) ++failures;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  return reruns;
}

TEST_CASE("PostgreSQL: of two transactions that lock the same rows in opposite order one is run again, and reported") {
  if (Backends().size() < 2) return;
  std::atomic<int> reruns{0};
  Fixture f(Backend::kPostgresql, {.sessions = 4, .on_transaction = [&](const TransactionReport& r) { reruns += r.attempts - 1; }});
  f.Script("CREATE TABLE c (id BIGINT PRIMARY KEY, n BIGINT)");
  f.Script("INSERT INTO c VALUES (0, 0), (1, 0)");
  Rendezvous both_hold_one;
  CHECK(Collide(*f.db, reruns, [&](Transaction& tx, int which, int runs) -> absl::Status {
          auto mine = tx.Execute("UPDATE c SET n = n + 1 WHERE id = $1", {which});
          if (!mine.ok()) return mine.status();
          both_hold_one.Meet(runs);
          return tx.Execute("UPDATE c SET n = n + 1 WHERE id = $1", {1 - which}).status();
        }) == 1);
  CHECK(f.Number("SELECT SUM(n) FROM c") == 4);
}

TEST_CASE("A write that finds the database's lock taken waits and is not refused") {
  const Backend backend = GENERATE(from_range(Backends()));
  Fixture f(backend, {.sessions = 4});
  auto other = std::move(Database::Open(f.scratch.url(), {})).value();
  f.Script("CREATE TABLE c (id BIGINT PRIMARY KEY, n BIGINT)");
  f.Script("INSERT INTO c VALUES (1, 0)");
  std::atomic<bool> held{false}, waiting{false};
  std::thread second([&] {
    while (!held) std::this_thread::yield();
    waiting = true;
    CHECK(other->Write([](Transaction& tx) { return tx.Execute("UPDATE c SET n = n * 10 WHERE id = 1").status(); }).ok());
  });
  CHECK(f.db->Write([&](Transaction& tx) -> absl::Status {
          auto done = tx.Execute("UPDATE c SET n = 7 WHERE id = 1");
          held = true;
          while (!waiting) std::this_thread::yield();
          return done.status();
        }).ok());
  second.join();
  CHECK(f.Number("SELECT n FROM c") == 70);
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

}  // namespace
}  // namespace flattone::storage
