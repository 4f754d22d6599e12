// Many callers' small writes in one transaction: a commit waits for the disk, and that wait sets the pace.
//
//   GroupCommitter group(db, {});
//   absl::Status stored = group.Write([&](Transaction& tx) { return tx.Execute("INSERT …", {…}).status(); });
//
// Write returns when the closure's changes are durable, or with the closure's own error: a closure that fails
// is undone alone (a savepoint) and the others go on. There is no thread of its own: the first caller that
// finds no leader leads, and takes with it all that queued while the commit before was on its way.
// If the transaction as a whole fails, every caller in it gets that error. Closures obey the rules of Database::Write
// and may run on another caller's thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "libs/storage/database.h"

namespace flattone::storage {

struct GroupOptions {
  size_t max_batch = 64;
  size_t max_queue = 4096;  // beyond it Write answers RESOURCE_EXHAUSTED
};

class GroupCommitter {
 public:
  GroupCommitter(Database& database, GroupOptions options) : database_(database), options_(options) {}

  // Any thread; blocks.
  absl::Status Write(const Database::Work& work);
  // How many transactions were committed so far, for tests and metrics.
  int64_t transactions() const;
  // Writes that no leader has taken yet.
  size_t waiting() const;

 private:
  struct Request {
    const Database::Work* work;
    absl::Status status;
    bool done = false;
  };
  using Batch = std::vector<Request*>;
  void Lead(std::unique_lock<std::mutex>& lock);
  void Commit(const Batch& batch);

  Database& database_;
  const GroupOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request*> queue_;
  bool leading_ = false;
  int64_t transactions_ = 0;
};

}  // namespace flattone::storage
