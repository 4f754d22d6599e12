#include "services/session-orchestration/event/event_stream.h"

#include "absl/strings/numbers.h"

namespace flattone::session {

absl::Status ResumeAfter(const std::string& last_event_id, int64_t& after) {
  int64_t value = after;
  if (!last_event_id.empty() && !absl::SimpleAtoi(last_event_id, &value)) value = -1;
  if (value < 0) return InvalidField(last_event_id.empty() ? "after" : "Last-Event-ID", "cannot be used", "0 or a sequence number of this stream");
  after = value;
  return absl::OkStatus();
}

EventStream::~EventStream() {
  if (ticket_ != 0) domain_.hub.Cancel(ticket_);
}

absl::Status EventStream::Poll(size_t max, std::vector<StreamItem>* out) {
  if (ended_) return absl::OutOfRangeError("the session has ended");
  return start_.for_caller(Take(max, out));
}

absl::Status EventStream::Take(size_t max, std::vector<StreamItem>* out) {
  FT_TRY(start_.check());
  std::vector<v1::Event> events;
  const int limit = static_cast<int>(std::min<size_t>(max, 200));
  FT_TRY(domain_.db.Read([&](storage::Transaction& tx) -> absl::Status {
    // First the world's number, then the events: what commits in between wakes this stream once too often, never too little.
    auto world = tx.Query("SELECT last_event FROM world WHERE tenant_id = $1 AND mode = $2", {start_.world.tenant_id, start_.world.mode});
    if (!world.ok()) return world.status();
    seen_ = world->empty() ? 0 : world->front().Int("last_event");
    auto read = start_.session_id.empty() ? TenantEvents(tx, start_.world, start_.after, limit)
                                          : SessionEvents(tx, start_.world, start_.session_id, start_.after, limit);
    if (!read.ok()) return read.status();
    events = *std::move(read);
    if (start_.session_id.empty()) return absl::OkStatus();
    // In the same snapshot: an ended session may have later events (a refund), but none are missing here.
    auto session = LoadSession(tx, start_.world, start_.session_id, Lock::kNo);
    if (!session.ok()) return session.status();
    ended_ = session->state() == SessionState::kEnded && events.size() < static_cast<size_t>(limit);
    return absl::OkStatus();
  }));
  for (v1::Event& event : events) {
    StreamItem item;
    start_.after = start_.session_id.empty() ? event.tenant_sequence() : event.session_sequence();
    item.id = std::to_string(start_.after);
    item.event = event.type();
    item.message = std::make_unique<v1::Event>(std::move(event));
    out->push_back(std::move(item));
  }
  // Full: there may be more at once.
  if (!events.empty() && events.size() >= static_cast<size_t>(limit)) seen_ = -1;
  return absl::OkStatus();
}

void EventStream::OnReady(std::function<void()> wake) {
  if (ticket_ != 0) domain_.hub.Cancel(ticket_);
  ticket_ = 0;
  if (ended_) {
    wake();
    return;
  }
  ticket_ = domain_.hub.Wait(start_.world, seen_, std::move(wake));
  if (seen_ < 0) domain_.hub.Poke();
}

}  // namespace flattone::session
