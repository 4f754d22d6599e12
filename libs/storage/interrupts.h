// For tests: a database whose connection fails at a chosen moment of a write.
//
//   WriteInterrupts writes;
//   auto db = Database::Open(url, {.interrupt_write = writes.Hook()});
//   writes.Fail(WritePoint::kCommitted, 1, absl::UnknownError("lost while committing"));   // done, and nobody was told
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "libs/storage/database.h"

namespace flattone::storage::testing {

class WriteInterrupts {
 public:
  using At = std::function<absl::Status(WritePoint)>;

  // For Options; this object outlives the database.
  At Hook() {
    return [this](WritePoint point) {
      At at;
      {
        std::lock_guard lock(mutex_);
        at = at_;
      }
      return at ? at(point) : absl::OkStatus();
    };
  }
  // What each write is told from now on; any thread may run it. nullptr: nothing.
  void Set(At at) {
    std::lock_guard lock(mutex_);
    at_ = std::move(at);
  }
  // The next `times` writes fail there.
  void Fail(WritePoint where, int times, absl::Status how) {
    auto left = std::make_shared<std::atomic<int>>(times);
    Set([where, left, how](WritePoint point) { return point == where && (*left)-- > 0 ? how : absl::OkStatus(); });
  }

 private:
  std::mutex mutex_;
  At at_;
};

}  // namespace flattone::storage::testing
