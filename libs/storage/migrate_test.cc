#include "libs/storage/canary.h"
#include "libs/storage/migrate.h"

#include <thread>

#include "libs/base/error.h"
#include "libs/storage/scratch.h"
#include "libs/testing/catch.h"

namespace flattone::storage {
namespace {

using testing::Backend;
using testing::Backends;
using testing::ScratchDatabase;

const std::vector<Migration> kTwo = {
    {"first", "CREATE TABLE a (id BIGINT PRIMARY KEY, body {blob} NOT NULL); CREATE TABLE b (id BIGINT)"},
    {"second", {"CREATE TABLE only_sqlite (id BIGINT)", "CREATE TABLE only_postgresql (id BIGINT)"}},
};

std::unique_ptr<Database> Open(const ScratchDatabase& scratch, Options options = {}) {
  auto db = Database::Open(scratch.url(), std::move(options));
  REQUIRE(db.ok());
  return std::move(*db);
}

TEST_CASE("Migrations run once, in order, and again do nothing") {
  const Backend backend = GENERATE(from_range(Backends()));
  ScratchDatabase scratch(backend);
  auto db = Open(scratch);
  CHECK(SchemaVersion(*db).value_or(-1) == 0);
  REQUIRE(Migrate(*db, std::span(kTwo).first(1)).ok());
  CHECK(SchemaVersion(*db).value_or(-1) == 1);
  REQUIRE(Migrate(*db, kTwo).ok());
  REQUIRE(Migrate(*db, kTwo).ok());
  CHECK(SchemaVersion(*db).value_or(-1) == 2);
  const std::string table = backend == Backend::kSqlite ? "only_sqlite" : "only_postgresql";
  CHECK(db->Read([&](Transaction& tx) { return tx.Query("SELECT id FROM " + table).status(); }).ok());
}

TEST_CASE("A newer schema and another history are refused and left alone") {
  const Backend backend = GENERATE(from_range(Backends()));
  ScratchDatabase scratch(backend);
  auto db = Open(scratch);
  REQUIRE(Migrate(*db, kTwo).ok());
  const absl::Status newer = Migrate(*db, std::span(kTwo).first(1));
  CHECK(absl::IsFailedPrecondition(newer));
  CHECK(DetailOf(newer)->code == "schema_newer");
  const std::vector<Migration> other = {{"first", "SELECT 1"}, {"another", "SELECT 1"}, {"third", "CREATE TABLE c (id BIGINT)"}};
  CHECK(DetailOf(Migrate(*db, other))->code == "schema_differs");
  CHECK(SchemaVersion(*db).value_or(-1) == 2);
}

TEST_CASE("A migration that fails leaves the schema as it was") {
  const Backend backend = GENERATE(from_range(Backends()));
  ScratchDatabase scratch(backend);
  auto db = Open(scratch);
  const std::vector<Migration> broken = {{"good", "CREATE TABLE a (id BIGINT)"}, {"bad", "CREATE NONSENSE"}};
  const absl::Status status = Migrate(*db, broken);
  CHECK_FALSE(status.ok());
  CHECK(std::string(status.message()).find("bad") != std::string::npos);
  CHECK(SchemaVersion(*db).value_or(-1) == 0);
  CHECK(Migrate(*db, kTwo).ok());
}

TEST_CASE("A canary is kept once, and none without digits") {
  const Backend backend = GENERATE(from_range(Backends()));
  ScratchDatabase scratch(backend);
  auto db = Open(scratch);
  REQUIRE(PlantCanary(*db, "").ok());
  REQUIRE(PlantCanary(*db, "987654321098765432109876").ok());
  REQUIRE(PlantCanary(*db, "987654321098765432109876").ok());
  REQUIRE(db->Read([](Transaction& tx) -> absl::Status {
    auto rows = tx.Query("SELECT digits FROM canary");
    REQUIRE(rows.ok());
    CHECK(rows->size() == 1);
    return absl::OkStatus();
  }).ok());
}

TEST_CASE("A migration takes longer than a statement may, and a replica that starts meanwhile waits for it") {
  if (Backends().size() < 2) return;
  ScratchDatabase scratch(Backend::kPostgresql);
  const std::vector<Migration> slow = {{"slow", "CREATE TABLE a (id BIGINT); SELECT pg_sleep(1.5)"}};
  const Options hasty{.statement_timeout = absl::Milliseconds(300)};
  auto one = Open(scratch, hasty), two = Open(scratch, hasty);
  absl::Status other;
  std::thread starting([&] { other = Migrate(*two, slow); });
  CHECK(Migrate(*one, slow) == absl::OkStatus());
  starting.join();
  CHECK(other == absl::OkStatus());
  CHECK(SchemaVersion(*one).value_or(-1) == 1);
  // The limits are there again.
  CHECK(absl::IsDeadlineExceeded(one->Write([](Transaction& tx) { return tx.Query("SELECT pg_sleep(5)").status(); })));
}

TEST_CASE("Replicas that start together migrate once") {
  const Backend backend = GENERATE(from_range(Backends()));
  ScratchDatabase scratch(backend);
  std::vector<std::unique_ptr<Database>> replicas;
  for (int i = 0; i < 4; ++i) replicas.push_back(Open(scratch));
  std::vector<absl::Status> results(replicas.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < replicas.size(); ++i) {
    threads.emplace_back([&, i] { results[i] = Migrate(*replicas[i], kTwo); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) CHECK(result == absl::OkStatus());
  CHECK(SchemaVersion(*replicas[0]).value_or(-1) == 2);
}

}  // namespace
}  // namespace flattone::storage
