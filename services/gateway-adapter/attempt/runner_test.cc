#include <boost/json.hpp>

#include "flattone/gateway/v1/gateway.pb.h"
#include "services/gateway-adapter/admin/records.h"
#include "services/gateway-adapter/attempt/runner_rig.h"
#include "services/gateway-adapter/psp/exchange.h"

namespace flattone::gateway {
namespace {

TEST_CASE("Approved: one send, the card's last four in the ledger, number and code wiped in the vault, outcome told once") {
  Fixture f(GENERATE(from_range(Backends())));
  const Attempt a = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"));
  CHECK(Approved(a));
  CHECK(a.last_four == "4242");
  CHECK(a.authorisation_code == "731554");
  CHECK(f.psp->pan_sizes == std::vector<int>{16});
  CHECK(f.cards.WipedLevel("tok_pay_1") == 2);
  CHECK(f.Outcomes() == 1);
  CHECK(f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1")).attempt_id == a.attempt_id);
  CHECK(f.psp->sends == 1);
}

TEST_CASE("NOT_SENT keeps the card for another try, which is allowed at once") {
  Fixture f(GENERATE(from_range(Backends())));
  f.psp->Then(Script::kRefuseConnection);
  const Attempt a = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"));
  CHECK(a.state == State::kNotSent);
  CHECK(a.raw_code == "connect_failed");
  CHECK(f.cards.WipedLevel("tok_pay_1") == 0);
  CHECK(Approved(f.Start(Fixture::Wanted(Operation::kAuthorise, "op_2"))));
}

TEST_CASE("A code that is gone is asked for again; nothing was sent") {
  Fixture f(Backend::kSqlite);
  f.cards.code_gone = true;
  const Attempt a = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"), {.security_code_required = true});
  CHECK(a.state == State::kNotSent);
  CHECK(a.instruction == Instruction::kReenterSecurityCode);
  CHECK(f.psp->sends == 0);
}

TEST_CASE("Charged but no answer: UNKNOWN, then found by asking, never charged again") {
  Fixture f(GENERATE(from_range(Backends())));
  f.psp->Then(Script::kChargeThenDrop);
  const Attempt a = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"));
  CHECK(a.state == State::kUnknown);
  CHECK(a.instruction == Instruction::kDoNotRetype);
  CHECK_FALSE(f.one->runner->Start(Fixture::Wanted(Operation::kAuthorise, "op_2"), {}).ok());
  const Attempt after = f.Resolve(a);
  CHECK(Approved(after));
  CHECK(after.version == 3);
  CHECK(f.psp->sends == 1);
  CHECK(f.psp->fences == 0);
  f.two->resolver->Tick();
  CHECK(f.cards.WipedLevel("tok_pay_1") == 2);
  CHECK(f.Outcomes() == 2);
}

TEST_CASE("Read by nobody: \"not found\" is no proof, so it is fenced before it is called voided") {
  Fixture f(GENERATE(from_range(Backends())));
  f.psp->Then(Script::kDropUnread);
  const Attempt a = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"));
  const Attempt after = f.Resolve(a);
  CHECK(after.state == State::kAnswered);
  CHECK(after.answer == Answer::kVoided);
  CHECK(f.psp->fences == 1);
  CHECK(f.psp->fenced.count(a.attempt_id) == 1);
}

TEST_CASE("A silent PSP is asked at 2, 5, 10 s, 1 min, 5 min; the code is wiped after a minute, the number kept") {
  Fixture f(Backend::kSqlite);
  f.psp->Then(Script::kChargeThenDrop);
  f.psp->silent = true;
  const Attempt a = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"));
  std::vector<int> asked_at;
  for (int second = 1; second <= 310; ++second) {
    f.clock.Advance(absl::Seconds(1));
    const int before = f.psp->asks;
    f.two->resolver->Tick();
    if (f.psp->asks > before) asked_at.push_back(second);
    if (second == 59) CHECK(f.cards.WipedLevel("tok_pay_1") == 0);
  }
  CHECK(asked_at == std::vector<int>{2, 5, 10, 60, 300});
  CHECK(f.cards.WipedLevel("tok_pay_1") == 1);
  CHECK(f.Now(a).state == State::kUnknown);
  f.psp->silent = false;
  CHECK(Approved(f.Resolve(a, 4000)));
}

TEST_CASE("A capture without news is never fenced: it waits for the PSP or an operator") {
  Fixture f(Backend::kSqlite);
  f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"));
  f.psp->Then(Script::kDropUnread);
  const Attempt capture = f.Start(Fixture::Wanted(Operation::kCapture, "op_2"));
  CHECK(capture.state == State::kUnknown);
  CHECK(f.Resolve(capture, 70).state == State::kUnknown);
  CHECK(f.psp->fences == 0);
  CHECK_FALSE(f.one->runner->Start(Fixture::Wanted(Operation::kRefund, "op_3"), {}).ok());
}

TEST_CASE("The caller's patience ends nothing: PENDING now, the outcome later, and the same attempt for whoever asks again") {
  Fixture f(GENERATE(from_range(Backends())));
  f.psp->Then(Script::kChargeAndHold);
  const Attempt pending = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"), {.wait = absl::Milliseconds(10)});
  CHECK(pending.state == State::kSending);
  CHECK(f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"), {.wait = absl::ZeroDuration()}).attempt_id == pending.attempt_id);
  f.psp->Release();
  CHECK(Approved(f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"))));
  CHECK(f.psp->sends == 1);
}

TEST_CASE("A process stopped after its commit is taken over; when it wakes up it sends nothing and writes nothing") {
  Fixture f(GENERATE(from_range(Backends())));
  f.gate_dir.Touch("attempt_committed.hold");
  const Attempt pending = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"), {.wait = absl::ZeroDuration()});
  while (!f.gate_dir.Has("attempt_committed.reached")) std::this_thread::yield();
  f.clock.Advance(absl::Seconds(11));
  REQUIRE(f.two->ledger->RenewLease().ok());
  f.two->resolver->Tick();
  CHECK(f.Now(pending).state == State::kUnknown);
  CHECK(f.Resolve(pending).answer == Answer::kVoided);
  f.gate_dir.Touch("attempt_committed.go");
  REQUIRE(f.one->runner->Drain(absl::InfiniteFuture()));
  CHECK(f.psp->sends == 0);
  CHECK(f.Now(pending).answer == Answer::kVoided);
  CHECK(f.one->meters.taken_over.Value() == 1);
}

TEST_CASE("A request that was on its way when it was fenced charges nothing, and the fence's verdict stays") {
  Fixture f(GENERATE(from_range(Backends())));
  f.psp->Then(Script::kHoldBefore);
  const Attempt pending = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"), {.wait = absl::ZeroDuration()});
  while (f.psp->sends == 0) std::this_thread::yield();
  f.clock.Advance(absl::Seconds(11));
  f.two->resolver->Tick();
  CHECK(f.Resolve(pending).answer == Answer::kVoided);
  f.psp->Release();
  REQUIRE(f.one->runner->Drain(absl::InfiniteFuture()));
  CHECK(f.psp->done.empty());
  CHECK(f.Now(pending).state == State::kAnswered);
  CHECK_FALSE(Approved(f.Now(pending)));
}

TEST_CASE("Cancelled while unknown: a late approval is voided and finance sees both; a charge is given back") {
  Fixture f(GENERATE(from_range(Backends())));
  const bool charge = GENERATE(false, true);
  f.psp->Then(Script::kChargeThenDrop);
  NewAttempt wanted = Fixture::Wanted(Operation::kAuthorise, "op_1");
  wanted.capture_now = charge;
  const Attempt a = f.Start(wanted);
  const Attempt marked = f.Start(Fixture::Wanted(Operation::kVoid, "op_void"));
  CHECK(marked.attempt_id == a.attempt_id);
  CHECK(marked.void_if_approved);
  CHECK(Approved(f.Resolve(a)));
  f.two->resolver->Tick();
  REQUIRE(f.two->runner->Drain(absl::InfiniteFuture()));
  const auto attempts = f.one->ledger->OfPayment("ten_a", "pay_1");
  REQUIRE(attempts->size() == 2);
  CHECK(attempts->at(1).operation == (charge ? Operation::kRefund : Operation::kVoid));
  CHECK(Approved(attempts->at(1)));
  CHECK(f.Start(Fixture::Wanted(Operation::kVoid, "op_void")).attempt_id == attempts->at(1).attempt_id);
  f.two->resolver->Tick();
  CHECK(f.one->ledger->OfPayment("ten_a", "pay_1")->size() == 2);
  CHECK(f.Outcomes() == 4);  // unknown, marked, approved, voided
}

TEST_CASE("A void that marks a running authorisation waits for nothing: the answer is that one, marked") {
  Fixture f(GENERATE(from_range(Backends())));
  f.psp->Then(Script::kHoldBefore);
  const Attempt running = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"), {.wait = absl::ZeroDuration()});
  const Attempt marked = f.Start(Fixture::Wanted(Operation::kVoid, "op_void"), {.wait = absl::Seconds(10)});
  CHECK(marked.attempt_id == running.attempt_id);
  CHECK(marked.void_if_approved);
  CHECK(f.Start(Fixture::Wanted(Operation::kVoid, "op_void"), {.wait = absl::Seconds(10)}).void_if_approved);
  f.psp->Release();
}

TEST_CASE("A PSP's text stops neither the ledger nor its readers, whatever bytes it has") {
  Fixture f(GENERATE(from_range(Backends())));
  const std::string code = GENERATE(std::string(254, 'x') + "\xc3\xa9", std::string("a\0b", 3));
  Exchange exchange;
  exchange.json = std::make_unique<boost::json::value>(boost::json::object{{"code", code}});
  f.psp->decline_code = exchange.Text("code");
  f.psp->Then(Script::kDecline);
  const Attempt declined = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"));
  CHECK(declined.answer == Answer::kDeclined);
  CHECK(declined.raw_code == (code.size() == 3 ? "a?b" : std::string(254, 'x') + "?"));
  const auto outcomes = f.one->outbox->Read(0, 10, absl::ZeroDuration());
  REQUIRE(outcomes->size() == 1);
  CHECK(v1::Attempt().ParseFromString(outcomes->front().body));
}

TEST_CASE("A vault that is away does not hold up the answer; it is told as soon as it is back") {
  Fixture f(Backend::kSqlite);
  f.cards.away = true;
  CHECK(Approved(f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"))));
  CHECK(f.cards.WipedLevel("tok_pay_1") == 0);
  f.two->resolver->Tick();
  f.cards.away = false;
  f.clock.Advance(absl::Seconds(10));
  f.two->resolver->Tick();
  CHECK(f.cards.WipedLevel("tok_pay_1") == 2);
  f.clock.Advance(absl::Hours(1));
  CHECK(f.one->ledger->ClaimToWipe(10, absl::Seconds(1))->empty());
}

TEST_CASE("Declined: the code goes, and the number too unless it is only the code or the date that is asked for again") {
  Fixture f(Backend::kSqlite);
  f.psp->Then(Script::kDecline);
  const Attempt a = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"));
  CHECK(a.answer == Answer::kDeclined);
  CHECK(a.instruction == Instruction::kOtherCard);
  CHECK(f.cards.WipedLevel("tok_pay_1") == 2);
}

TEST_CASE("More attempts than the bound are refused before anything is committed") {
  Fixture f(Backend::kSqlite, 1);
  f.psp->Then(Script::kChargeAndHold);
  f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"), {.wait = absl::ZeroDuration()});
  auto refused = f.one->runner->Start(Fixture::Wanted(Operation::kAuthorise, "op_2", "pay_2"), {});
  CHECK(absl::IsResourceExhausted(refused.status()));
  CHECK(DetailOf(refused.status())->code == "adapter_busy");
  CHECK(f.one->ledger->OfPayment("ten_a", "pay_2")->empty());
  CHECK_FALSE(f.one->runner->Drain(absl::Now() + absl::Milliseconds(10)));
  f.psp->Release();
  CHECK(f.one->runner->Drain(absl::InfiniteFuture()));
}

TEST_CASE("Capture, refund in parts and void reach the PSP with the authorisation's reference") {
  Fixture f(GENERATE(from_range(Backends())));
  const Attempt a = f.Start(Fixture::Wanted(Operation::kAuthorise, "op_1"));
  NewAttempt capture = Fixture::Wanted(Operation::kCapture, "op_2");
  capture.amount_minor = 700;
  const Attempt captured = f.Start(capture);
  CHECK(Approved(captured));
  CHECK(captured.target_reference == a.psp_reference);
  NewAttempt refund = Fixture::Wanted(Operation::kRefund, "op_3");
  refund.amount_minor = 300;
  CHECK(Approved(f.Start(refund)));
  CHECK(f.Start(Fixture::Wanted(Operation::kRefund, "op_4")).amount_minor == 400);
  f.Start(Fixture::Wanted(Operation::kAuthorise, "op_5", "pay_2"));
  CHECK(Approved(f.Start(Fixture::Wanted(Operation::kVoid, "op_6", "pay_2"))));
}

TEST_CASE("Credentials are sealed: the database's bytes do not hold them, another row's or tenant's do not open") {
  Fixture f(GENERATE(from_range(Backends())));
  Credentials credentials;
  credentials.emplace("api_key", std::move(*secret::SecretBytes::CopyOf("sbx_super_secret_value")));
  auto account = f.one->accounts->Put("ten_b", Mode::kTest, "sandbox", credentials, [](storage::Transaction& tx, const std::string& id) {
    return AppendRecord(tx, {0, 1, "operator", "psp_account.put", "ten_b", id, ""});
  });
  REQUIRE(account.ok());
  CHECK(account->fields == std::vector<std::string>{"api_key"});
  auto opened = f.two->accounts->Open(account->account_id);
  REQUIRE(opened.ok());
  CHECK(secret::ConstantTimeEquals(opened->at("api_key"), credentials.at("api_key")));
  REQUIRE(f.one->db->Write([&](storage::Transaction& tx) -> absl::Status {
            auto rows = tx.Query("SELECT sealed FROM account WHERE account_id = $1", {account->account_id});
            REQUIRE(rows.ok());
            CHECK(rows->front().Bytes("sealed").find("super_secret") == std::string::npos);
            // A ciphertext moved to another row.
            return tx.Execute("UPDATE account SET sealed = $1 WHERE tenant_id = 'ten_a'", {storage::Blob{rows->front().Bytes("sealed")}}).status();
          }).ok());
  const auto theirs = f.one->accounts->List("ten_a", "", 10);
  REQUIRE(theirs->size() == 1);
  CHECK_FALSE(f.one->accounts->Open(theirs->front().account_id).ok());
  CHECK(ListRecords(*f.one->db, 0, 10)->size() == 1);
}

}  // namespace
}  // namespace flattone::gateway
