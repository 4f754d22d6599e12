// One reader of events as they happen: of a session (until it has ended and everything was told) or of a tenant.
// It reads the database, so it shows what every replica did; it resumes after any number without loss.
#pragma once

#include <functional>
#include <string>

#include "services/session-orchestration/event/event_log.h"
#include "services/session-orchestration/rest/dispatcher.h"
#include "services/session-orchestration/session/context.h"

namespace flattone::session {

// `after` from Last-Event-ID where the client sent one. INVALID_ARGUMENT when it is not a number ≥ 0.
absl::Status ResumeAfter(const std::string& last_event_id, int64_t& after);

class EventStream final : public RpcStream {
 public:
  struct Start {
    World world;
    std::string session_id;  // empty: the whole tenant
    int64_t after = 0;
    std::function<absl::Status()> check;  // the credential again
    std::function<absl::Status(const absl::Status&)> for_caller;  // what a failure is told as
  };
  EventStream(const Domain& domain, Start start) : domain_(domain), start_(std::move(start)) {}
  ~EventStream() override;

  absl::Status Poll(size_t max, std::vector<StreamItem>* out) override;
  void OnReady(std::function<void()> wake) override;

 private:
  absl::Status Take(size_t max, std::vector<StreamItem>* out);

  const Domain& domain_;
  Start start_;
  int64_t seen_ = 0;  // the world's number when Poll last looked
  uint64_t ticket_ = 0;
  bool ended_ = false;
};

}  // namespace flattone::session
