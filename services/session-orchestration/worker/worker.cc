#include "services/session-orchestration/worker/worker.h"

#include "services/session-orchestration/session/lifecycle.h"

namespace flattone::session {
namespace {

using storage::Transaction;

constexpr int kBatch = 100;

struct Due {
  std::string tenant_id, id;
};

absl::StatusOr<std::vector<Due>> DueRows(const Domain& domain, const std::string& sql, std::initializer_list<storage::Value> values) {
  std::vector<Due> due;
  FT_TRY(domain.db.Read([&](Transaction& tx) -> absl::Status {
    due.clear();
    auto rows = tx.Query(sql, values);
    if (!rows.ok()) return rows.status();
    for (const storage::Row& row : *rows) due.push_back({row.Text("tenant_id"), row.Text("id")});
    return absl::OkStatus();
  }));
  return due;
}

}  // namespace

Worker::Worker(const Domain& domain, CaptureService& captures, PaymentService& payments, Fleet& fleet)
    : domain_(domain), captures_(captures), payments_(payments), fleet_(fleet), started_(domain.clock.Now()) {}

absl::Status Worker::DriveOperations() {
  auto due = DueRows(domain_, "SELECT tenant_id, id FROM operation WHERE state IN ('ASKED', 'SENT') AND next_try_us <= $1 ORDER BY next_try_us LIMIT $2",
                     {domain_.NowUs(), kBatch});
  if (!due.ok()) return due.status();
  absl::Status last;
  for (const Due& row : *due) {
    const absl::Status driven = payments_.Drive(row.tenant_id, row.id, absl::ZeroDuration(), PaymentService::When::kIfDue);
    if (!driven.ok()) last = driven;
  }
  return last;
}

absl::Status Worker::ConsumeOutcomes(absl::Duration wait) {
  gateway::v1::ListOutcomesRequest request;
  FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
    auto rows = tx.Query("SELECT value FROM counter WHERE name = 'outcomes_position'");
    if (!rows.ok()) return rows.status();
    request.set_after_position(rows->front().Int("value"));
    return absl::OkStatus();
  }));
  request.set_wait_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(wait)));
  request.set_page_size(kBatch);
  auto outcomes = domain_.gateway.ListOutcomes(request, {{}, wait + absl::Seconds(5)});
  if (!outcomes.ok()) return outcomes.status();
  for (const auto& change : outcomes->changes()) {
    domain_.gates.Reach("outcome_read");
    FT_TRY(payments_.Apply(change.attempt(), change.position()));
  }
  return absl::OkStatus();
}

absl::Status Worker::CloseCaptures() {
  auto due = DueRows(domain_, "SELECT tenant_id, id FROM capture WHERE phase = 'CLOSING' AND next_try_us <= $1 ORDER BY next_try_us LIMIT $2",
                     {domain_.NowUs(), kBatch});
  if (!due.ok()) return due.status();
  absl::Status last;
  for (const Due& row : *due) {
    auto closed = captures_.Close(row.tenant_id, row.id);
    if (!closed.ok()) last = closed.status();
  }
  return last;
}

absl::Status Worker::UndoStarts() {
  auto due = DueRows(domain_, "SELECT tenant_id, id FROM capture WHERE phase = 'STARTING' AND owner_until_us <= $1 ORDER BY owner_until_us LIMIT $2",
                     {domain_.NowUs(), kBatch});
  if (!due.ok()) return due.status();
  for (const Due& row : *due) FT_TRY(captures_.UndoStart(row.tenant_id, row.id));
  return absl::OkStatus();
}

absl::Status Worker::EndExpired() {
  auto due = DueRows(domain_, "SELECT tenant_id, id FROM session WHERE state <> 5 AND expires_us <= $1 ORDER BY expires_us LIMIT $2",
                     {domain_.NowUs(), kBatch});
  if (!due.ok()) return due.status();
  for (const Due& row : *due) {
    FT_TRY(domain_.Commit([&](Transaction& tx) -> absl::Status {
      auto session = LoadSessionOfTenant(tx, row.tenant_id, row.id, Lock::kYes);
      if (!session.ok()) return session.status();
      // One that waits for its payment is looked at again in a minute.
      session->expires_us = domain_.NowUs() + absl::ToInt64Microseconds(absl::Minutes(1));
      return EndOrWait(tx, domain_, *session, SessionAction::kHangUp, "timed_out", "system");
    }));
  }
  return absl::OkStatus();
}

absl::Status Worker::Sweep() {
  return domain_.db.Write([&](Transaction& tx) -> absl::Status {
    FT_TRY(SweepOnce(tx, domain_.clock.Now(), 500));
    FT_TRY(tx.Execute("DELETE FROM agent_token WHERE expires_us <= $1", {domain_.NowUs()}).status());
    return tx.Execute("DELETE FROM call_report WHERE at_us <= $1", {absl::ToUnixMicros(domain_.clock.Now() - absl::Hours(24))}).status();
  });
}

absl::Status Worker::DropLostRelays() {
  // After a stop of all orchestrators every lease is over: relays first get the time to renew.
  return fleet_.DropLost(domain_.clock.Now() >= started_ + kRelayLease + kRelayGrace);
}

JobRunner::JobRunner(obs::Logger& log, obs::Registry& metrics)
    : log_(log), failures_(metrics, "flattone_session_job_failures_total", "Rounds of a background job that failed", "job") {}

void JobRunner::Every(absl::Duration pause, std::string name, std::function<absl::Status()> job) {
  threads_.emplace_back([this, pause, name = std::move(name), job = std::move(job)] {
    std::unique_lock lock(mutex_);
    while (!stop_) {
      lock.unlock();
      const absl::Status done = job();
      if (!done.ok()) {
        failures_.Add(name);
        log_.Warn("a background job failed; the next round tries again", {{"job", name}, {"status", done}});
      }
      lock.lock();
      const absl::Duration rest = done.ok() ? pause : std::max(pause, absl::Seconds(1));
      changed_.wait_for(lock, absl::ToChronoMilliseconds(rest), [&] { return stop_; });
    }
  });
}

void JobRunner::Stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace flattone::session
