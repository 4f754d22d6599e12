#include "services/tokenisation-vault/grpc/watcher.h"

#include <mutex>

#include "libs/base/error.h"
#include "libs/rpc/status.h"
#include "services/tokenisation-vault/grpc/convert.h"

namespace flattone::vault {
namespace {

class Watcher final : public grpc::ServerWriteReactor<v1::CaptureStatus> {
 public:
  explicit Watcher(CaptureRegistry::Entry entry) : entry_(std::move(entry)) {}

  void Begin(grpc::CallbackServerContext* context) {
    id_ = entry_->Watch([this] { Changed(); });
    if (id_ == 0) {
      End(rpc::ToGrpc(Refusal(absl::StatusCode::kResourceExhausted, {.code = "too_many_watchers", .fix = "end another stream"},
                              "this capture has as many watchers as it may have"), context));
      return;
    }
    Changed();
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard<std::mutex> lock(mutex_);
    writing_ = false;
    if (!ok) return EndLocked(grpc::Status::CANCELLED);
    if (last_was_final_) return EndLocked(grpc::Status::OK);
    if (cancelled_) return EndLocked(grpc::Status::CANCELLED);
    if (changed_) WriteLocked();
  }

  void OnCancel() override {
    std::lock_guard<std::mutex> lock(mutex_);
    cancelled_ = true;
    if (!writing_) EndLocked(grpc::Status::CANCELLED);
  }

  void OnDone() override {
    if (id_ != 0) entry_->Unwatch(id_);
    delete this;
  }

 private:
  void Changed() {
    std::lock_guard<std::mutex> lock(mutex_);
    changed_ = true;
    if (!writing_ && !ended_) WriteLocked();
  }

  void WriteLocked() {
    changed_ = false;
    const Progress progress = entry_->progress();
    if (progress.revision == written_ && written_ != 0) return;
    written_ = progress.revision;
    last_was_final_ = IsFinal(progress.state);
    message_ = ToProto(entry_->identity().capture, progress);
    writing_ = true;
    StartWrite(&message_);
  }

  void End(const grpc::Status& status) {
    std::lock_guard<std::mutex> lock(mutex_);
    EndLocked(status);
  }
  void EndLocked(const grpc::Status& status) {
    if (ended_) return;
    ended_ = true;
    Finish(status);
  }

  const CaptureRegistry::Entry entry_;
  uint64_t id_ = 0;
  std::mutex mutex_;
  v1::CaptureStatus message_;
  uint64_t written_ = 0;
  bool writing_ = false, changed_ = false, last_was_final_ = false, cancelled_ = false, ended_ = false;
};

class Refused final : public grpc::ServerWriteReactor<v1::CaptureStatus> {
 public:
  explicit Refused(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerWriteReactor<v1::CaptureStatus>* WatchOf(absl::StatusOr<CaptureRegistry::Entry> entry, grpc::CallbackServerContext* context) {
  if (!entry.ok()) return new Refused(rpc::ToGrpc(entry.status(), context));
  auto* watcher = new Watcher(std::move(*entry));
  watcher->Begin(context);
  return watcher;
}

}  // namespace flattone::vault
