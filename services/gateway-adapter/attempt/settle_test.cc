// What the database, the vault or another process does in the middle of an attempt, and how it is brought to an end all the same.
#include "services/gateway-adapter/attempt/runner_rig.h"

namespace flattone::gateway {
namespace {

using storage::WritePoint;

const absl::Status kAway = absl::UnavailableError("the database is away");
const absl::Status kNotConfirmed = absl::UnknownError("lost while committing");

TEST_CASE("A begin whose commit was not confirmed is found again and sent once") {
  Fixture f(GENERATE(from_range(Backends())));
  f.one->writes.Fail(WritePoint::kCommitted, 1, kNotConfirmed);
  const Attempt a = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"));
  CHECK(Approved(a));
  CHECK(f.psp->sends == 1);
  CHECK(f.one->ledger->OfPayment("ten_a", "pay_1")->size() == 1);
}

TEST_CASE("A begin that is never confirmed was sent by nobody: NOT_SENT, and the payment may be tried again") {
  Fixture f(GENERATE(from_range(Backends())));
  f.one->writes.Fail(WritePoint::kCommitted, 3, kNotConfirmed);
  CHECK(absl::IsUnknown(f.one->runner->Start(Fixture::Wanted(Operation::kAuthorise, "op_1"), {}).status()));
  f.one->writes.Set(nullptr);
  REQUIRE(f.one->ledger->OfPayment("ten_a", "pay_1")->front().state == State::kSending);
  f.one->resolver->Tick();
  CHECK(f.one->ledger->OfPayment("ten_a", "pay_1")->front().state == State::kNotSent);
  CHECK(f.Outcomes() == 1);
  CHECK(f.psp->sends == 0);
  CHECK(Approved(f.Start(Fixture::Wanted(Operation::kAuthorise, "op_2"))));
}

TEST_CASE("The ledger is away when the PSP's id is to be committed: nothing is sent, NOT_SENT, and nothing stays live") {
  Fixture f(GENERATE(from_range(Backends())));
  f.gate_dir.Touch("attempt_committed.hold");
  const Attempt pending = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"), {.wait = absl::ZeroDuration()});
  while (!f.gate_dir.Has("attempt_committed.reached")) std::this_thread::yield();
  f.one->writes.Fail(WritePoint::kBegin, 3, kAway);
  f.gate_dir.Touch("attempt_committed.go");
  f.one->runner->Drain(absl::InfiniteFuture());
  const Attempt after = f.Now(pending);
  CHECK(after.state == State::kNotSent);
  CHECK(after.raw_code == "ledger_unavailable");
  CHECK(f.psp->sends == 0);
  CHECK(f.one->meters.taken_over.Value() == 0);
}

TEST_CASE("An answer waits for a database that is away for long, and is stored when it is back") {
  Fixture f(GENERATE(from_range(Backends())));
  f.psp->Then(Script::kChargeAndHold);
  f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"), {.wait = absl::ZeroDuration()});
  while (f.psp->sends == 0) std::this_thread::yield();
  f.one->writes.Fail(WritePoint::kBegin, 300, kAway);
  f.psp->Release();
  f.one->runner->Drain(absl::InfiniteFuture());
  CHECK(Approved(f.one->ledger->OfPayment("ten_a", "pay_1")->front()));
  CHECK(f.one->meters.write_retries.Value() == 300);
}

TEST_CASE("At the shutdown deadline an answer that cannot be stored is left to the next process, which asks for it") {
  Fixture f(GENERATE(from_range(Backends())));
  f.psp->Then(Script::kChargeAndHold);
  const Attempt a = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"), {.wait = absl::ZeroDuration()});
  while (f.psp->sends == 0) std::this_thread::yield();
  f.one->writes.Fail(WritePoint::kBegin, 1 << 30, kAway);
  f.psp->Release();
  CHECK_FALSE(f.one->runner->Drain(absl::Now() + absl::Milliseconds(50)));
  f.one->runner->Drain(absl::InfiniteFuture());
  f.clock.Advance(absl::Seconds(11));
  REQUIRE(f.two->ledger->RenewLease().ok());
  f.two->resolver->Tick();
  CHECK(Approved(f.Resolve(a)));
  CHECK(f.psp->sends == 1);
}

TEST_CASE("A process that drains begins nothing and says that another one will") {
  Fixture f(Backend::kSqlite);
  REQUIRE(f.one->runner->Drain(absl::InfiniteFuture()));
  const auto refused = f.one->runner->Start(Fixture::Wanted(Operation::kAuthorise, "op_1"), {});
  CHECK(absl::IsUnavailable(refused.status()));
  CHECK(DetailOf(refused.status())->code == "draining");
  CHECK(f.one->ledger->OfPayment("ten_a", "pay_1")->empty());
}

TEST_CASE("A capture, void or refund that was decided while its process was stopped is not sent when it wakes up") {
  const Operation operation = GENERATE(Operation::kCapture, Operation::kVoid, Operation::kRefund);
  Fixture f(GENERATE(from_range(Backends())));
  NewAttempt authorise = Fixture::Wanted(Operation::kAuthorise, "op_1");
  authorise.capture_now = operation == Operation::kRefund;
  f.Start(authorise);
  f.gate_dir.Touch("attempt_committed.hold");
  const Attempt pending = f.Start(Fixture::Wanted(operation, "op_2"), {.wait = absl::ZeroDuration()});
  while (!f.gate_dir.Has("attempt_committed.reached")) std::this_thread::yield();
  f.clock.Advance(absl::Seconds(11));
  REQUIRE(f.two->ledger->RenewLease().ok());
  REQUIRE(f.two->ledger->ExpireLeases().value_or(0) == 1);
  REQUIRE(f.two->ledger->Write(pending.attempt_id, {.kind = EventKind::kResolved, .answer = Answer::kDeclined}).ok());
  f.gate_dir.Touch("attempt_committed.go");
  f.one->runner->Drain(absl::InfiniteFuture());
  CHECK(f.psp->sends == 1);  // the authorisation
  CHECK(f.one->meters.taken_over.Value() == 1);
}

TEST_CASE("An approval that comes after the attempt was decided otherwise is counted: money may have moved") {
  Fixture f(GENERATE(from_range(Backends())));
  f.psp->Then(Script::kChargeAndHold);
  const Attempt a = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"), {.wait = absl::ZeroDuration()});
  while (f.psp->sends == 0) std::this_thread::yield();
  f.clock.Advance(absl::Seconds(11));
  REQUIRE(f.two->ledger->RenewLease().ok());
  REQUIRE(f.two->ledger->ExpireLeases().value_or(0) == 1);
  REQUIRE(f.two->ledger->Write(a.attempt_id, {.kind = EventKind::kResolved, .answer = Answer::kDeclined}).ok());
  f.psp->Release();
  f.one->runner->Drain(absl::InfiniteFuture());
  CHECK(f.Now(a).answer == Answer::kDeclined);
  CHECK(f.one->meters.contradictions.Value() == 1);
}

// Cancels `payment` while it is authorised; it is approved all the same.
void CancelledAndApproved(Fixture& f, const std::string& payment) {
  f.psp->Then(Script::kChargeThenDrop);
  const Attempt a = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_" + payment, payment));
  f.Start(Fixture::Wanted(Operation::kVoid, "void_" + payment, payment));
  Event event{.kind = EventKind::kResolved, .answer = Answer::kApproved};
  event.psp_reference = "ref";
  REQUIRE(f.two->ledger->Write(a.attempt_id, event).ok());
}

TEST_CASE("Voids that the PSP goes on refusing hold up nobody else's, and are tried again later and later") {
  Fixture f(Backend::kSqlite, 64);
  constexpr int kStuck = 20;  // more than one round takes
  for (int i = 0; i < kStuck; ++i) CancelledAndApproved(f, "stuck_" + std::to_string(i));
  for (int i = 0; i < kStuck; ++i) f.psp->Then(Script::kDecline);
  const auto voids_of = [&](const std::string& payment) {
    int voids = 0;
    const auto attempts = f.one->ledger->OfPayment("ten_a", payment);
    for (const Attempt& a : *attempts) voids += a.operation == Operation::kVoid;
    return voids;
  };
  const auto round = [&] {
    f.one->resolver->Tick();
    while (f.one->runner->in_flight() > 0) std::this_thread::yield();
  };
  round();
  round();
  for (int i = 0; i < kStuck; ++i) REQUIRE(voids_of("stuck_" + std::to_string(i)) == 1);
  CancelledAndApproved(f, "fresh");
  round();
  CHECK(voids_of("fresh") == 1);
  CHECK(voids_of("stuck_0") == 1);
  f.clock.Advance(absl::Seconds(5));
  REQUIRE(f.one->ledger->RenewLease().ok());
  round();
  round();
  CHECK(voids_of("stuck_0") == 2);
}

TEST_CASE("An account stays while what was approved over it is still to be voided") {
  Fixture f(GENERATE(from_range(Backends())));
  CancelledAndApproved(f, "pay_1");
  const std::string account = f.one->accounts->List("ten_a", "", 10)->front().account_id;
  const auto remove = [&] {
    return f.one->accounts->Delete("ten_a", account, [](storage::Transaction&, const std::string&) { return absl::OkStatus(); });
  };
  const absl::Status refused = remove();
  REQUIRE(DetailOf(refused).has_value());
  CHECK(DetailOf(refused)->code == "attempts_live");
  f.one->resolver->Tick();
  REQUIRE(f.one->runner->Drain(absl::InfiniteFuture()));
  CHECK(remove().ok());
}

TEST_CASE("Wipes that a vault does not confirm hold up nobody else's") {
  Fixture f(Backend::kSqlite, 64);
  f.cards.away = true;
  for (int i = 0; i < 20; ++i) f.Start(Fixture::Wanted(Operation::kAuthorise, "op_" + std::to_string(i), "pay_" + std::to_string(i)));
  f.one->resolver->Tick();
  f.cards.away = false;
  f.one->resolver->Tick();
  CHECK(f.cards.WipedLevel("tok_pay_19") == 2);
  f.clock.Advance(absl::Seconds(10));
  f.one->resolver->Tick();
  f.one->resolver->Tick();
  CHECK(f.cards.WipedLevel("tok_pay_0") == 2);
}

TEST_CASE("A number that is to be destroyed stays so when only the wipe of its code is confirmed") {
  Fixture f(GENERATE(from_range(Backends())));
  const Attempt a = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"));
  REQUIRE(f.one->db->Write([&](storage::Transaction& tx) { return tx.Execute("UPDATE attempt SET wipe = 2").status(); }).ok());
  REQUIRE(f.one->ledger->Wiped(a.attempt_id, 1).ok());
  CHECK(f.Now(a).wipe == 2);
  REQUIRE(f.one->ledger->Wiped(a.attempt_id, 2).ok());
  CHECK(f.Now(a).wipe == 0);
}

}  // namespace
}  // namespace flattone::gateway
