// One completion queue, one thread that polls it: everything of the masker that is not pure runs here, so
// nothing of it needs a lock. Post() is the only door from other threads.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "absl/time/time.h"

namespace flattone::masking {

// What a completion queue carries: one outstanding operation. `ok` as gRPC says it.
class Operation {
 public:
  virtual ~Operation() = default;
  virtual void Done(bool ok) = 0;
};

class EventLoop {
 public:
  // Takes the server's queue before the server is built.
  explicit EventLoop(std::unique_ptr<grpc::ServerCompletionQueue> queue) : queue_(std::move(queue)) {}
  ~EventLoop();

  void Start();
  // After the server has shut down: ends what is left, joins. Idempotent.
  void Stop();

  // Runs on the loop's thread. Any thread. False after Stop().
  bool Post(std::function<void()> run) { return After(absl::ZeroDuration(), std::move(run)); }
  bool After(absl::Duration delay, std::function<void()> run);
  // Nothing may be begun on a queue that is shut down.
  bool stopped() const { return stopped_; }
  grpc::ServerCompletionQueue* queue() { return queue_.get(); }

 private:
  void ShutDown();
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::thread thread_;
  std::mutex mutex_;  // between After() of other threads and ShutDown()
  std::atomic<bool> stopped_{false};
};

}  // namespace flattone::masking
