#include "libs/storage/group_commit.h"

#include <atomic>
#include <thread>

#include "libs/storage/scratch.h"
#include "libs/testing/catch.h"

namespace flattone::storage {
namespace {

using testing::Backend;
using testing::Backends;
using testing::ScratchDatabase;

TEST_CASE("Many callers share commits; a failing closure is undone alone and gets its own error") {
  const Backend backend = GENERATE(from_range(Backends()));
  ScratchDatabase scratch(backend);
  auto db = Database::Open(scratch.url(), {});
  REQUIRE(db.ok());
  REQUIRE((*db)->Write([](Transaction& tx) { return tx.Script("CREATE TABLE g (id BIGINT PRIMARY KEY)"); }).ok());
  GroupCommitter group(**db, {});
  constexpr int kThreads = 8, kEach = 25;
  std::atomic<int> stored{0}, refused{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        // Every fifth id is one that all threads want.
        const int id = i % 5 == 0 ? -i - 1 : t * 1000 + i;
        const absl::Status status = group.Write([id](Transaction& tx) { return tx.Execute("INSERT INTO g VALUES ($1)", {id}).status(); });
        if (status.ok()) ++stored;
        else if (absl::IsAlreadyExists(status)) ++refused;
        else ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(stored == kThreads * 20 + 5);
  CHECK(refused == (kThreads - 1) * 5);
  CHECK(group.transactions() <= kThreads * kEach);
  int64_t rows = 0;
  REQUIRE((*db)->Read([&](Transaction& tx) -> absl::Status {
            auto count = tx.Query("SELECT COUNT(*) AS n FROM g");
            if (count.ok()) rows = count->front().Int("n");
            return count.status();
          }).ok());
  CHECK(rows == stored);
}

TEST_CASE("Writes that wait while a commit is on its way go together in the next one") {
  ScratchDatabase scratch(Backend::kSqlite);
  auto db = Database::Open(scratch.url(), {});
  REQUIRE(db.ok());
  REQUIRE((*db)->Write([](Transaction& tx) { return tx.Script("CREATE TABLE g (id BIGINT PRIMARY KEY)"); }).ok());
  GroupCommitter group(**db, {});
  std::atomic<bool> leading{false}, release{false};
  std::thread leader([&] {
    (void)group.Write([&](Transaction&) {
      leading = true;
      while (!release) std::this_thread::yield();
      return absl::OkStatus();
    });
  });
  while (!leading) std::this_thread::yield();
  std::atomic<int> begun{0};
  std::vector<std::thread> others;
  for (int i = 0; i < 10; ++i) {
    others.emplace_back([&, i] {
      ++begun;
      CHECK(group.Write([i](Transaction& tx) { return tx.Execute("INSERT INTO g VALUES ($1)", {i}).status(); }).ok());
    });
  }
  while (begun < 10 || group.waiting() < 10) std::this_thread::yield();
  release = true;
  leader.join();
  for (std::thread& thread : others) thread.join();
  CHECK(group.transactions() == 2);
}

}  // namespace
}  // namespace flattone::storage
