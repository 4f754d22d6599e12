// One thread that runs what other threads post, in order, and a tick between: notices of shards and hop reach the
// call table through it, so that neither ever waits for a lock.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace flattone::relay {

class Worker {
 public:
  // `tick` runs on the thread about every 50 ms.
  explicit Worker(std::function<void()> tick);
  ~Worker();
  void Post(std::function<void()> job);
  // Runs what is queued, then ends the thread.
  void Stop();

 private:
  void Loop();
  std::function<void()> tick_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace flattone::relay
