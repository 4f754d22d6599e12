#include "libs/storage/group_commit.h"

namespace flattone::storage {

absl::Status GroupCommitter::Write(const Database::Work& work) {
  Request request{.work = &work, .status = {}};
  std::unique_lock lock(mutex_);
  if (queue_.size() >= options_.max_queue) return absl::ResourceExhaustedError("too many writes wait for the database; try again later");
  queue_.push_back(&request);
  while (!request.done) {
    if (!leading_) Lead(lock);
    else changed_.wait(lock);
  }
  return request.status;
}

// Takes the head of the queue, which may or may not hold the leader's own request.
void GroupCommitter::Lead(std::unique_lock<std::mutex>& lock) {
  leading_ = true;
  Batch batch;
  while (!queue_.empty() && batch.size() < options_.max_batch) {
    batch.push_back(queue_.front());
    queue_.pop_front();
  }
  lock.unlock();
  Commit(batch);
  lock.lock();
  ++transactions_;
  for (Request* request : batch) request->done = true;
  leading_ = false;
  changed_.notify_all();
}

void GroupCommitter::Commit(const Batch& batch) {
  const absl::Status status = database_.Write([&batch](Transaction& tx) -> absl::Status {
    if (batch.size() == 1) return batch.front()->status = (*batch.front()->work)(tx);
    for (Request* request : batch) {
      request->status = tx.Nested(*request->work);
      if (!tx.failure().ok()) return tx.failure();
    }
    return absl::OkStatus();
  });
  if (status.ok()) return;
  for (Request* request : batch) request->status = status;
}

int64_t GroupCommitter::transactions() const {
  std::lock_guard lock(mutex_);
  return transactions_;
}

size_t GroupCommitter::waiting() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

}  // namespace flattone::storage
