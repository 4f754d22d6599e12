// Databases for tests: the same test runs on SQLite and, where it is installed, on a PostgreSQL of its own.
//
//   TEST_CASE("…") {
//     const Backend backend = GENERATE(from_range(storage::testing::Backends()));
//     CAPTURE(backend);
//     storage::testing::ScratchDatabase scratch(backend);      // empty, its own, gone afterwards
//     auto db = storage::Database::Open(scratch.url(), {});
//
// One PostgreSQL server is started per test process (tools/postgres-scratch) when first asked for, and stops
// with it. FLATTONE_TEST_POSTGRES=<url of a server where databases may be created> uses that one instead.
// Where PostgreSQL is not installed, Backends() holds SQLite alone and says "skipped" once on stderr; with
// FLATTONE_TEST_ALL set (tools/test) the process ends instead.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace flattone::storage::testing {

enum class Backend { kSqlite, kPostgresql };
std::ostream& operator<<(std::ostream& out, Backend backend);

std::vector<Backend> Backends();

class ScratchDatabase {
 public:
  explicit ScratchDatabase(Backend backend);
  ~ScratchDatabase();
  ScratchDatabase(const ScratchDatabase&) = delete;
  ScratchDatabase& operator=(const ScratchDatabase&) = delete;
  const std::string& url() const { return url_; }

 private:
  std::string url_;
  std::string directory_;  // SQLite
  std::string name_;       // PostgreSQL
};

}  // namespace flattone::storage::testing
