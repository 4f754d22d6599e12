#include "services/gateway-adapter/attempt/runner.h"

#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"

namespace flattone::gateway {
namespace {

constexpr size_t kMaxLost = 1024;
// By then a commit that was on its way has arrived, or never will.
constexpr absl::Duration kLostForGood = absl::Minutes(5);

std::string CodeOf(const absl::Status& status) {
  const auto detail = DetailOf(status);
  if (detail.has_value() && !detail->code.empty()) return detail->code;
  return std::string(absl::StatusCodeToString(status.code()));
}

// Nothing left this process, and why.
Event NotSent(const Attempt& attempt, std::string why, Instruction instruction) {
  return {.kind = EventKind::kNotSent, .epoch = attempt.epoch, .answer = Answer::kNone, .instruction = instruction,
          .captured = false, .psp_reference = {}, .authorisation_code = {}, .raw_code = std::move(why)};
}

Event EventOf(const Attempt& attempt, const SendResult& result) {
  const EventKind kind = result.sent == Sent::kNotSent    ? EventKind::kNotSent
                         : result.sent == Sent::kAnswered ? EventKind::kAnswered
                                                          : EventKind::kNoAnswer;
  const PspFacts& f = result.facts;
  return {.kind = kind, .epoch = attempt.epoch, .answer = f.answer,
          .instruction = kind == EventKind::kNotSent ? Instruction::kTryLater : f.instruction, .captured = f.captured,
          .psp_reference = f.psp_reference, .authorisation_code = f.authorisation_code, .raw_code = f.raw_code};
}

// After a refused code or date the caller types only that again, so the number stays for a while; else the payment is final.
bool NumberIsDoneWith(const Event& event) {
  if (event.answer == Answer::kApproved) return true;
  return event.instruction != Instruction::kReenterSecurityCode && event.instruction != Instruction::kReenterExpiry;
}

}  // namespace

absl::Status Runner::Admit() {
  std::lock_guard lock(mutex_);
  if (draining_) {
    return Refusal(absl::StatusCode::kUnavailable, {.code = "draining", .field = {}, .limit = {}, .fix = "try again: another replica takes it"},
                   "this process is shutting down and begins nothing");
  }
  if (in_flight_ >= max_in_flight_) {
    p_.meters.refused_busy.Add();
    return Refusal(absl::StatusCode::kResourceExhausted, {.code = "adapter_busy", .field = {}, .limit = {}, .fix = "try again in a second"},
                   absl::StrCat(max_in_flight_, " attempts are in flight, the most this process takes"));
  }
  ++in_flight_;  // the place is taken before anything is committed
  return absl::OkStatus();
}

absl::StatusOr<Attempt> Runner::Start(const NewAttempt& asked, const StartOptions& options) {
  if (absl::Status admitted = Admit(); !admitted.ok()) return admitted;
  NewAttempt wanted = asked;
  wanted.attempt_id = p_.ledger.NewId();
  auto begun = p_.ledger.Begin(wanted);
  if (!begun.ok()) Remember(wanted.attempt_id, begun.status());
  std::shared_ptr<Flight> flight;
  {
    std::lock_guard lock(mutex_);
    if (begun.ok() && begun->fresh) {
      flight = flights_[begun->attempt.attempt_id] = std::make_shared<Flight>();
      flight->attempt = begun->attempt;
    } else {
      --in_flight_;
      empty_.notify_all();
      if (!begun.ok()) return begun.status();
      const auto running = flights_.find(begun->attempt.attempt_id);
      // A void that has marked a live authorisation is done: it does not wait for that one's end.
      if (running == flights_.end() || begun->attempt.operation != wanted.operation) return std::move(begun->attempt);
      flight = running->second;
    }
  }
  if (begun->fresh) Launch(flight, options);
  return Wait(flight, options.wait);
}

void Runner::Launch(const std::shared_ptr<Flight>& flight, const StartOptions& options) {
  p_.meters.Began(flight->attempt);
  p_.meters.in_flight.Add(1);
  std::thread([this, flight, options] {
    Attempt after = Run(flight->attempt, options);
    p_.meters.in_flight.Add(-1);
    std::lock_guard lock(mutex_);
    flight->attempt = std::move(after);
    flight->done = true;
    flights_.erase(flight->attempt.attempt_id);
    flight->landed.notify_all();
    --in_flight_;
    empty_.notify_all();
  }).detach();
}

absl::StatusOr<Attempt> Runner::Wait(const std::shared_ptr<Flight>& flight, absl::Duration wait) {
  std::unique_lock lock(mutex_);
  const auto landed = [&flight] { return flight->done; };
  if (wait == absl::InfiniteDuration()) flight->landed.wait(lock, landed);
  else flight->landed.wait_for(lock, absl::ToChronoNanoseconds(wait), landed);
  return flight->attempt;
}

Attempt Runner::Run(Attempt attempt, const StartOptions& options) {
  p_.gates.Reach("attempt_committed");
  bool taken_over = false;
  const Event event = Send(attempt, options, taken_over);
  if (taken_over) {
    p_.meters.taken_over.Add();
    p_.log.Warn(TraceOf(attempt), "attempt was taken over before it was sent", {{"attempt", attempt.attempt_id}});
    auto now = p_.ledger.Find(attempt.tenant_id, attempt.attempt_id);
    return now.ok() ? std::move(*now) : attempt;
  }
  if (attempt.operation == Operation::kAuthorise) {
    // What was not sent is final too; since the vault may be why, the resolver tells it, and the outcome does not wait.
    if (event.kind == EventKind::kAnswered) WipeCard(attempt, event);
    if (event.kind == EventKind::kNotSent) attempt.wipe = NumberIsDoneWith(event) ? 2 : 1;
  }
  p_.gates.Reach("answer_not_committed");
  Attempt after = Commit(attempt, event);
  p_.log.Info(TraceOf(after), "attempt ended",
              {{"attempt", after.attempt_id}, {"payment", after.payment_id}, {"operation", OperationName(after.operation)},
               {"psp", after.psp}, {"outcome", OutcomeName(after)}, {"code", after.raw_code}});
  p_.gates.Reach("orchestrator_not_told");
  return after;
}

// The card lives only here: it is opened, put into the request, and wiped when this returns.
Event Runner::Send(Attempt& attempt, const StartOptions& options, bool& taken_over) {
  const auto psp = p_.psps.find(attempt.psp);
  if (psp == p_.psps.end()) return NotSent(attempt, "psp_not_configured", Instruction::kTryLater);
  auto credentials = p_.accounts.Open(attempt.account_id);
  if (!credentials.ok()) return NotSent(attempt, "account/" + CodeOf(credentials.status()), Instruction::kTryLater);
  absl::StatusOr<OpenedCard> card = absl::NotFoundError("");
  if (attempt.operation == Operation::kAuthorise) {
    card = p_.cards.Open(attempt, options.security_code_required);
    if (!card.ok()) {
      const std::string code = CodeOf(card.status());
      return NotSent(attempt, "card/" + code, code == "security_code_gone" ? Instruction::kReenterSecurityCode : Instruction::kTryLater);
    }
    attempt.brand = card->brand;
    attempt.last_four = card->last_four;
  }
  SendRequest request{.attempt = attempt, .credentials = *credentials, .card = card.ok() ? &card->card : nullptr,
                      .checkpoint = nullptr, .on_connected = [this] { p_.gates.Reach("connected"); }};
  request.checkpoint = [this, &attempt](const std::string& reference) {
    Event event{.kind = EventKind::kCheckpoint, .epoch = attempt.epoch};
    event.psp_reference = reference;
    return p_.ledger.Write(attempt.attempt_id, event).status();
  };
  // An authorisation is checked by the PSP's adapter, once it has the PSP's id of it.
  const absl::Status mine = attempt.operation == Operation::kAuthorise ? absl::OkStatus() : request.checkpoint("");
  const SendResult result = mine.ok() ? Call(*psp->second, request) : NotCheckpointed(mine);
  taken_over = result.sent == Sent::kTakenOver;
  return EventOf(attempt, result);
}

SendResult Runner::Call(PspAdapter& psp, const SendRequest& request) {
  const absl::Time begun = p_.clock.Now();
  SendResult result = psp.Send(request);
  p_.meters.Called(request.attempt.psp, p_.clock.Now() - begun);
  return result;
}

// Before the answer is stored: if this process dies in between, the outcome is asked for, and that needs no card.
void Runner::WipeCard(Attempt& attempt, const Event& event) {
  const bool destroy = NumberIsDoneWith(event);
  if (p_.cards.Wipe(attempt, destroy).ok()) return;
  attempt.wipe = destroy ? 2 : 1;  // the resolver goes on trying
  p_.meters.wipes_failed.Add();
}

Attempt Runner::Commit(const Attempt& attempt, const Event& event) {
  const auto with = [&attempt](storage::Transaction&, Attempt& row) {
    row.brand = attempt.brand;
    row.last_four = attempt.last_four;
    row.wipe = attempt.wipe;
    return absl::OkStatus();
  };
  // While the database is away the answer waits here, since nobody else has it. When the lease runs out meanwhile the
  // outcome is UNKNOWN, and the answer is still taken.
  absl::Status status;
  while (true) {
    auto after = p_.ledger.Write(attempt.attempt_id, event, with);
    if (after.ok()) {
      p_.meters.Ended(*after);
      return std::move(*after);
    }
    status = after.status();
    if (absl::IsFailedPrecondition(status) || absl::IsNotFound(status)) break;
    p_.meters.write_retries.Add();
    {
      std::unique_lock lock(mutex_);
      if (empty_.wait_for(lock, absl::ToChronoNanoseconds(store_again_), [this] { return given_up_; })) break;
    }
  }
  // Somebody else decided meanwhile (a fence, an operator): what stands in the ledger counts.
  p_.log.Warn(TraceOf(attempt), "outcome was not stored", {{"attempt", attempt.attempt_id}, {"why", status}});
  auto now = p_.ledger.Find(attempt.tenant_id, attempt.attempt_id);
  if (!now.ok()) return attempt;
  NoteContradiction(*now, event);
  return std::move(*now);
}

// The PSP approved what the ledger holds for refused or voided: a fence that did not hold, or a wrong decision.
void Runner::NoteContradiction(const Attempt& now, const Event& event) {
  if (event.kind != EventKind::kAnswered || event.answer != Answer::kApproved || Live(now) || Approved(now)) return;
  p_.meters.contradictions.Add();
  p_.log.Error(TraceOf(now), "the PSP approved an attempt that had another outcome",
               {{"attempt", now.attempt_id}, {"payment", now.payment_id}, {"psp", now.psp}, {"outcome", OutcomeName(now)}, {"reference", event.psp_reference}});
}

void Runner::Remember(const std::string& attempt_id, const absl::Status& why) {
  if (!absl::IsUnknown(why)) return;
  std::lock_guard lock(mutex_);
  if (lost_.size() >= kMaxLost) lost_.pop_front();
  lost_.push_back({attempt_id, p_.clock.Now()});
}

void Runner::SettleLost() {
  std::deque<Lost> lost;
  {
    std::lock_guard lock(mutex_);
    lost.swap(lost_);
  }
  for (const Lost& one : lost) {
    auto after = p_.ledger.Write(one.attempt_id, {.kind = EventKind::kNotSent, .epoch = Attempt().epoch, .answer = Answer::kNone,
                                                  .instruction = Instruction::kTryLater, .captured = false, .psp_reference = {},
                                                  .authorisation_code = {}, .raw_code = "begin_not_confirmed"});
    if (after.ok()) p_.meters.Ended(*after);
    const bool gone = absl::IsNotFound(after.status()) && p_.clock.Now() - one.since >= kLostForGood;
    if (after.ok() || gone || absl::IsFailedPrecondition(after.status())) continue;
    std::lock_guard lock(mutex_);
    lost_.push_back(one);
  }
}

bool Runner::Drain(absl::Time deadline) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  const auto empty = [this] { return in_flight_ == 0; };
  if (deadline == absl::InfiniteFuture()) {
    empty_.wait(lock, empty);
    return true;
  }
  if (empty_.wait_for(lock, absl::ToChronoNanoseconds(deadline - absl::Now()), empty)) return true;  // lint: allow (condition_variable)
  given_up_ = true;
  empty_.notify_all();
  return false;
}

int Runner::in_flight() const {
  std::lock_guard lock(mutex_);
  return in_flight_;
}

}  // namespace flattone::gateway
