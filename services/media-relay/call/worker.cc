#include "services/media-relay/call/worker.h"

#include <chrono>

namespace flattone::relay {

Worker::Worker(std::function<void()> tick) : tick_(std::move(tick)), thread_([this] { Loop(); }) {}
Worker::~Worker() { Stop(); }

void Worker::Post(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void Worker::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Worker::Loop() {
  constexpr auto kTick = std::chrono::milliseconds(50);
  auto next_tick = std::chrono::steady_clock::now() + kTick;
  std::unique_lock lock(mutex_);
  while (!stopping_ || !jobs_.empty()) {
    if (jobs_.empty()) changed_.wait_until(lock, next_tick, [&] { return stopping_ || !jobs_.empty(); });
    std::deque<std::function<void()>> jobs;
    jobs.swap(jobs_);
    lock.unlock();
    for (const auto& job : jobs) job();
    if (std::chrono::steady_clock::now() >= next_tick) {
      tick_();
      next_tick = std::chrono::steady_clock::now() + kTick;
    }
    lock.lock();
  }
}

}  // namespace flattone::relay
