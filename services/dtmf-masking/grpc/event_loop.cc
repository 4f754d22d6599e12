#include "services/dtmf-masking/grpc/event_loop.h"

#include <grpc/support/time.h>
#include <grpcpp/alarm.h>

namespace flattone::masking {
namespace {

class Timer final : public Operation {
 public:
  explicit Timer(std::function<void()> run) : run_(std::move(run)) {}
  void Set(grpc::CompletionQueue* queue, absl::Duration delay) {
    alarm_.Set(queue, gpr_time_from_nanos(absl::ToInt64Nanoseconds(delay), GPR_TIMESPAN), this);
  }
  void Done(bool ok) override {
    if (ok) run_();
    delete this;
  }

 private:
  grpc::Alarm alarm_;
  std::function<void()> run_;
};

}  // namespace

EventLoop::~EventLoop() { Stop(); }

void EventLoop::Start() {
  thread_ = std::thread([this] {
    void* tag = nullptr;
    bool ok = false;
    while (queue_->Next(&tag, &ok)) static_cast<Operation*>(tag)->Done(ok);
  });
}

void EventLoop::ShutDown() {
  const std::lock_guard lock(mutex_);
  if (!stopped_.exchange(true)) queue_->Shutdown();
}

void EventLoop::Stop() {
  if (thread_.joinable()) {
    Post([this] { ShutDown(); });  // on the loop's thread: between two operations, never inside one
    thread_.join();
    return;
  }
  if (stopped_) return;
  ShutDown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) static_cast<Operation*>(tag)->Done(false);
}

bool EventLoop::After(absl::Duration delay, std::function<void()> run) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return false;
  (new Timer(std::move(run)))->Set(queue_.get(), delay);
  return true;
}

}  // namespace flattone::masking
