#include "services/gateway-adapter/resolve/resolver.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace flattone::gateway {
namespace {

constexpr int kAtOnce = 16;  // questions in parallel; each may take a PSP's whole time-out, and none waits for another
constexpr absl::Duration kHold = absl::Minutes(3);  // longer than a question takes
constexpr absl::Duration kWipeAgain = absl::Seconds(10);
constexpr int kAskedWithinAMinute = 3;              // 2, 5 and 10 s; the next one is at 60 s

void Take(const PspFacts& facts, Event& event) {
  event.kind = EventKind::kResolved;
  event.answer = facts.answer;
  event.instruction = facts.instruction;
  event.captured = facts.captured;
  event.psp_reference = facts.psp_reference;
  event.authorisation_code = facts.authorisation_code;
  event.raw_code = facts.raw_code;
}

}  // namespace

bool Resolver::Learn(const Attempt& attempt, Event& event) {
  const auto psp = p_.psps.find(attempt.psp);
  if (psp == p_.psps.end()) return false;
  auto credentials = p_.accounts.Open(attempt.account_id);
  if (!credentials.ok()) return false;
  const AskResult asked = psp->second->Ask(attempt, *credentials);
  if (asked.finding == Finding::kDone) {
    Take(asked.facts, event);
    return true;
  }
  // "Not found" is no proof: the request may still be on its way. What can be cancelled by reference is cancelled; a capture
  // or refund has no such fence and waits for news or an operator.
  const bool fenceable = attempt.operation == Operation::kAuthorise || attempt.operation == Operation::kVoid;
  if (asked.finding != Finding::kNothingMoved || !fenceable) return false;
  const FenceResult fence = psp->second->Fence(attempt, *credentials);
  if (fence.finding != FenceFinding::kFenced) return false;
  p_.meters.fences.Add();
  Take(fence.facts, event);
  const bool authorise = attempt.operation == Operation::kAuthorise;
  event.answer = authorise ? Answer::kVoided : Answer::kApproved;
  event.instruction = authorise ? Instruction::kTryLater : Instruction::kNone;
  return true;
}

void Resolver::AskOne(const Attempt& attempt) {
  p_.meters.questions.Add();
  Event event{.kind = EventKind::kAsked};
  const bool learned = Learn(attempt, event);
  if (!learned) p_.meters.no_news.Add();
  const bool authorise = attempt.operation == Operation::kAuthorise;
  // The security code never outlives a minute of unknown outcome; the number stays until there is an outcome.
  const int wipe = !authorise ? 0 : learned ? 2 : attempt.asked >= kAskedWithinAMinute ? 1 : 0;
  auto after = p_.ledger.Write(attempt.attempt_id, event, [wipe](storage::Transaction&, Attempt& row) {
    row.wipe = std::max(row.wipe, wipe);
    return absl::OkStatus();
  });
  if (!after.ok()) return;  // answered or decided meanwhile; or the database is away, then the hold runs out
  if (!learned) return;
  p_.meters.Ended(*after);
  p_.log.Info(TraceOf(*after), "unknown outcome resolved", {{"attempt", after->attempt_id}, {"payment", after->payment_id},
                                           {"operation", OperationName(after->operation)}, {"outcome", OutcomeName(*after)},
                                           {"questions", after->asked + 1}});
}

void Resolver::AskAll() {
  int free = 0;
  {
    std::lock_guard lock(mutex_);
    free = stopped_ ? 0 : kAtOnce - asking_;
  }
  if (free == 0) return;
  auto due = p_.ledger.ClaimDue(free, kHold);
  if (!due.ok()) return;
  for (Attempt& attempt : *due) {
    {
      std::lock_guard lock(mutex_);
      ++asking_;
    }
    std::thread([this, attempt = std::move(attempt)] {
      AskOne(attempt);
      std::lock_guard lock(mutex_);
      --asking_;
      answered_.notify_all();
    }).detach();
  }
}

void Resolver::AwaitAnswers() {
  std::unique_lock lock(mutex_);
  answered_.wait(lock, [this] { return asking_ == 0; });
}

void Resolver::VoidMarked() {
  auto marked = p_.ledger.ClaimToVoid(kAtOnce);
  if (!marked.ok()) return;
  for (const auto& [attempt, earlier] : *marked) {
    NewAttempt wanted;
    // Charged money cannot be voided; it is given back.
    wanted.operation = attempt.captured ? Operation::kRefund : Operation::kVoid;
    wanted.tenant_id = attempt.tenant_id;
    wanted.payment_id = attempt.payment_id;
    wanted.traceparent = attempt.traceparent;
    wanted.automatic = true;
    wanted.operation_id = attempt.void_operation_id.empty() ? "void-" + attempt.attempt_id : attempt.void_operation_id;
    if (earlier > 0) absl::StrAppend(&wanted.operation_id, ":", earlier + 1);
    auto started = runner_.Start(wanted, {.wait = absl::ZeroDuration()});
    if (!started.ok()) p_.log.Warn(TraceOf(attempt), "void-if-approved could not be started", {{"attempt", attempt.attempt_id}, {"why", started.status()}});
  }
}

void Resolver::WipeLeft() {
  auto left = p_.ledger.ClaimToWipe(kAtOnce, kWipeAgain);
  if (!left.ok()) return;
  for (const Attempt& attempt : *left) {
    const absl::Status wiped = p_.cards.Wipe(attempt, attempt.wipe == 2);
    // The vault does not know the token any more: there is nothing left to wipe.
    if (wiped.ok() || absl::IsNotFound(wiped)) (void)p_.ledger.Wiped(attempt.attempt_id, attempt.wipe);
    else p_.meters.wipes_failed.Add();
  }
}

void Resolver::Settle() {
  runner_.SettleLost();
  auto expired = p_.ledger.ExpireLeases();
  if (expired.ok() && *expired > 0) {
    p_.meters.leases_expired.Add(static_cast<uint64_t>(*expired));
    p_.log.Warn("attempts of a lost process are unknown now", {{"attempts", *expired}});
  }
  AskAll();
  VoidMarked();
  if (auto unknown = p_.ledger.CountUnknown(); unknown.ok()) p_.meters.unknown.Set(static_cast<double>(*unknown));
}

void Resolver::Tick() {
  Settle();
  AwaitAnswers();
  VoidMarked();  // of what was just found approved
  WipeLeft();
}

void Resolver::Loop(absl::Duration every, const std::function<void()>& work) {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    lock.unlock();
    work();
    lock.lock();
    stop_.wait_for(lock, absl::ToChronoNanoseconds(every), [this] { return stopped_; });
  }
}

void Resolver::Start(absl::Duration every, absl::Duration renew) {
  leases_ = std::thread([this, renew] { Loop(renew, [this] { (void)p_.ledger.RenewLease(); }); });
  ticks_ = std::thread([this, every] { Loop(every, [this] { Settle(); }); });
  // Apart: a vault that does not answer must not hold up what concerns money.
  wipes_ = std::thread([this, every] { Loop(every, [this] { WipeLeft(); }); });
}

void Resolver::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  stop_.notify_all();
  if (ticks_.joinable()) ticks_.join();
  if (wipes_.joinable()) wipes_.join();
  if (leases_.joinable()) leases_.join();
  AwaitAnswers();
}

}  // namespace flattone::gateway
