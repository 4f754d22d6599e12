// The rules of money: driven on after a crash, unknown outcomes, voids, refunds, reports twice and late.
#include <thread>

#include "services/session-orchestration/tests/fixture.h"

namespace flattone::session {
namespace {

using namespace flattone::session::testing;
using storage::testing::Backend;
using storage::testing::Backends;

struct Charged {
  std::string session, payment;
};

// A session cancelled while the PSP had not answered, which then says that it has charged.
Charged ChargedAfterCancel(Fixture& f) {
  f.around.gateway.script.set_outcome(gateway::v1::OUTCOME_PENDING);
  const std::string session = f.Ready();
  const std::string payment = Must(f.Pay(*f.one, session, f.Next("Pay"))).id();
  Must(f.Cancel(*f.one, session));
  f.around.gateway.Resolve(payment, gateway::v1::OUTCOME_ANSWERED, gateway::v1::ANSWER_APPROVED);
  CHECK(f.Pump());
  return {session, payment};
}

TEST_CASE("a payment whose process died before the adapter was called is driven on by any worker") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Ready();
  f.around.gateway.error = absl::UnavailableError("away");
  const v1::Payment payment = Must(f.Pay(*f.one, id, f.Next("Pay")));
  CHECK(payment.state() == v1::PAYMENT_STATE_PROCESSING);
  f.around.gateway.error = absl::OkStatus();
  f.around.clock.Advance(absl::Minutes(1));
  CHECK(f.two->worker.DriveOperations().ok());
  CHECK(f.Get(id).payments(0).state() == v1::PAYMENT_STATE_CAPTURED);
  CHECK(f.around.gateway.charged.size() == 1);
  // Driven again, and told again by the outbox: nothing changes.
  const std::string types = f.Types(id);
  f.around.clock.Advance(absl::Hours(1));
  CHECK(f.one->worker.DriveOperations().ok());
  CHECK(f.Pump());
  CHECK(f.two->worker.ConsumeOutcomes(absl::ZeroDuration()).ok());
  CHECK(f.Types(id) == types);
  CHECK(f.around.gateway.attempts.size() == 1);
}

TEST_CASE("a declined card leads back to a new capture and a second payment in the same call") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Ready();
  f.around.gateway.script.set_answer(gateway::v1::ANSWER_DECLINED);
  f.around.gateway.script.set_instruction(common::v1::INSTRUCTION_OTHER_CARD);
  const v1::Payment declined = Must(f.Pay(*f.one, id, f.Next("Pay")));
  CHECK(declined.state() == v1::PAYMENT_STATE_DECLINED);
  CHECK(declined.instruction() == common::v1::INSTRUCTION_OTHER_CARD);
  f.around.gateway.script = FakeGateway::Approved();
  Must(f.Start(id));
  f.Keys(id, vault::v1::CAPTURE_STATE_COMPLETE);
  const v1::Payment second = Must(f.Pay(*f.one, id, f.Next("Pay")));
  CHECK(second.id() != declined.id());
  CHECK(second.state() == v1::PAYMENT_STATE_CAPTURED);
  CHECK(f.Get(id).payments_size() == 2);
}

TEST_CASE("a refused security code alone is typed again; the number that is kept stays, as long as it is the last payment's") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Ready();
  CHECK(CodeOf(f.Start(id, {common::v1::CARD_FIELD_SECURITY_CODE}).status()) == "card_not_kept");  // nothing was paid yet
  f.around.gateway.script.set_answer(gateway::v1::ANSWER_DECLINED);
  f.around.gateway.script.set_instruction(common::v1::INSTRUCTION_REENTER_SECURITY_CODE);
  CHECK(Must(f.Pay(*f.one, id, f.Next("Pay"))).state() == v1::PAYMENT_STATE_DECLINED);
  const std::string first = "tok_" + f.around.vault.opened.back().capture_id();
  CHECK(CodeOf(f.Start(id, {common::v1::CARD_FIELD_PAN}).status()) == "invalid_field");
  // A start that the vault refuses leaves the way open.
  f.around.vault.open_error = absl::UnavailableError("away");
  CHECK_FALSE(f.Start(id, {common::v1::CARD_FIELD_SECURITY_CODE}).ok());
  f.around.vault.open_error = absl::OkStatus();
  Must(f.Start(id, {common::v1::CARD_FIELD_SECURITY_CODE}));
  CHECK(f.around.vault.opened.back().token_id() == first);
  REQUIRE(f.around.vault.opened.back().rules().fields_size() == 1);
  CHECK(f.around.vault.opened.back().rules().fields(0).field() == common::v1::CARD_FIELD_SECURITY_CODE);
  f.Keys(id, vault::v1::CAPTURE_STATE_COMPLETE);
  f.around.gateway.script.set_instruction(common::v1::INSTRUCTION_OTHER_CARD);
  Must(f.Pay(*f.one, id, f.Next("Pay")));
  CHECK(CodeOf(f.Start(id, {common::v1::CARD_FIELD_SECURITY_CODE}).status()) == "card_not_kept");  // another card is wanted
  Must(f.Start(id));
  CHECK(f.around.vault.opened.back().token_id().empty());
  CHECK(f.around.vault.opened.back().rules().fields_size() == 3);
}

TEST_CASE("a payment that the adapter refuses for good has its security code wiped at the vault") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Ready();
  const std::string capture = f.CaptureOf(id);
  f.around.gateway.error = Refused("no_psp_account");
  CHECK(Must(f.Pay(*f.one, id, f.Next("Pay"))).state() == v1::PAYMENT_STATE_FAILED);
  CHECK(f.around.vault.cancelled.empty());
  CHECK(f.two->worker.CloseCaptures().ok());
  CHECK(f.around.vault.cancelled == std::vector<std::string>{capture});
}

TEST_CASE("an unknown outcome refuses another payment; cancelled, a late approval is voided and both are told") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  f.around.gateway.script.set_outcome(gateway::v1::OUTCOME_UNKNOWN);
  f.around.gateway.script.set_answer(gateway::v1::ANSWER_UNSPECIFIED);
  const std::string id = f.Ready(v1::PURPOSE_AUTHORISE);
  const v1::Payment unknown = Must(f.Pay(*f.one, id, f.Next("Pay")));
  CHECK(unknown.state() == v1::PAYMENT_STATE_UNKNOWN);
  CHECK(Must(f.Pay(*f.two, id, f.Next("Pay"))).id() == unknown.id());
  CHECK(CodeOf(f.Start(id).status()) == "payment_open");
  v1::EndSessionRequest end;
  end.set_session_id(id);
  CHECK(CodeOf(f.one->sessions.End(f.Next("End"), end).status()) == "payment_open");

  CHECK(Must(f.Cancel(*f.two, id)).payments(0).void_if_approved());
  CHECK(f.one->worker.DriveOperations().ok());
  CHECK(f.around.gateway.voids.count(unknown.id()) == 1);  // the adapter knows
  f.around.gateway.Resolve(unknown.id(), gateway::v1::OUTCOME_ANSWERED, gateway::v1::ANSWER_APPROVED);
  CHECK(f.Pump());
  f.around.clock.Advance(absl::Minutes(2));
  CHECK(f.one->worker.DriveOperations().ok());
  CHECK(f.Get(id).payments(0).state() == v1::PAYMENT_STATE_VOIDED);
  CHECK(f.Get(id).state() == v1::SESSION_STATE_ENDED);
  const std::string types = f.Types(id);
  CHECK(types.find("payment.unknown") != std::string::npos);
  CHECK(types.find("payment.resolved payment.authorised") != std::string::npos);
  CHECK(types.find("payment.voided") != std::string::npos);
}

TEST_CASE("a charge that was cancelled and cannot be voided is given back") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const auto [id, payment] = ChargedAfterCancel(f);
  CHECK(CodeOf(f.one->worker.DriveOperations()) == "already_captured");
  CHECK(f.one->worker.DriveOperations().ok());
  CHECK(f.Get(id).payments(0).state() == v1::PAYMENT_STATE_REFUNDED);
  CHECK(f.Get(id).payments(0).refunded_minor() == 1000);
}

TEST_CASE("cancelled while the adapter is away: the void waits for the authorisation, and what was charged is given back") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Ready();
  f.around.gateway.error = absl::UnavailableError("away");
  REQUIRE(Must(f.Pay(*f.one, id, f.Next("Pay"))).state() == v1::PAYMENT_STATE_PROCESSING);
  f.around.gateway.error = absl::OkStatus();
  CHECK(Must(f.Cancel(*f.two, id)).payments(0).void_if_approved());
  // The adapter is back, and hears of the void before the authorisation has reached it.
  CHECK(!f.two->worker.DriveOperations().ok());
  CHECK(f.around.gateway.voids.size() == 1);
  CHECK(f.around.gateway.attempts.empty());
  for (int i = 0; i < 4; ++i) {
    f.around.clock.Advance(absl::Minutes(1));
    (void)f.two->worker.DriveOperations();
  }
  CHECK(f.around.gateway.charged.size() == 1);
  CHECK(f.Get(id).payments(0).state() == v1::PAYMENT_STATE_REFUNDED);
  CHECK(f.Get(id).payments(0).refunded_minor() == 1000);
  CHECK(f.Get(id).state() == v1::SESSION_STATE_ENDED);
}

TEST_CASE("what somebody has given back already is not given back once more by a cancel") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const auto [id, payment] = ChargedAfterCancel(f);
  v1::RefundPaymentRequest refund;
  refund.set_payment_id(payment);
  refund.set_amount_minor(400);
  CHECK(Must(f.two->payments.Refund(f.Next("Refund"), refund)).refunded_minor() == 400);
  CHECK(CodeOf(f.one->worker.DriveOperations()) == "already_captured");
  CHECK(f.one->worker.DriveOperations().ok());
  CHECK(f.Get(id).payments(0).refunded_minor() == 1000);
}

TEST_CASE("a vault that hangs while the card is tokenised fails the payment after some tries, no money moved") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  const absl::Status silence = GENERATE(absl::DeadlineExceededError("hangs"), absl::UnavailableError("away"));
  CAPTURE(silence.ToString());
  Fixture f(backend);
  const std::string id = f.Ready();
  f.around.vault.tokenise_error = silence;
  CHECK(Must(f.Pay(*f.one, id, f.Next("Pay"))).state() == v1::PAYMENT_STATE_PROCESSING);
  for (int i = 0; i < 4; ++i) {
    f.around.clock.Advance(absl::Minutes(1));
    (void)f.two->worker.DriveOperations();
  }
  CHECK(f.Get(id).payments(0).state() == v1::PAYMENT_STATE_FAILED);
  CHECK(f.Get(id).state() == v1::SESSION_STATE_CREATED);
  CHECK(f.around.gateway.attempts.empty());
}

TEST_CASE("a payment that was given up while its card was tokenised is not sent") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Ready();
  // As when this process was stopped for minutes, and another one's tries were used up meanwhile.
  f.around.vault.on_tokenise = [&] {
    f.around.vault.tokenise_error = absl::UnavailableError("away");
    for (int i = 0; i < 6; ++i) {
      f.around.clock.Advance(absl::Minutes(1));
      (void)f.two->worker.DriveOperations();
    }
    f.around.vault.tokenise_error = absl::OkStatus();
  };
  CHECK(Must(f.Pay(*f.one, id, f.Next("Pay"))).state() == v1::PAYMENT_STATE_FAILED);
  CHECK(f.around.gateway.attempts.empty());
}

TEST_CASE("cancelled before anything was sent: nothing is sent at all") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Ready();
  // The transaction of Pay without what follows it, as after a kill.
  Change change = f.Next("Pay");
  f.around.gateway.error = absl::UnavailableError("away");
  REQUIRE(f.one->db->Write([&](storage::Transaction& tx) -> absl::Status { return BeginOnce(tx, change.once, f.around.clock.Now(), absl::Seconds(1)).status(); }).ok());
  Must(f.Pay(*f.one, id, f.Next("Pay")));
  REQUIRE(f.one->db->Write([&](storage::Transaction& tx) { return tx.Execute("UPDATE operation SET tries = 0").status(); }).ok());
  f.around.gateway.error = absl::OkStatus();
  const v1::Session session = Must(f.Cancel(*f.two, id));
  CHECK(session.payments(0).state() == v1::PAYMENT_STATE_CANCELLED);
  CHECK(session.state() == v1::SESSION_STATE_ENDED);
  f.around.clock.Advance(absl::Hours(1));
  CHECK(f.one->worker.DriveOperations().ok());
  CHECK(f.around.gateway.attempts.empty());
}

TEST_CASE("a card that the vault lost before it was tokenised fails the payment, no money moved") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Ready();
  f.around.vault.captures.clear();
  const v1::Payment payment = Must(f.Pay(*f.one, id, f.Next("Pay")));
  CHECK(payment.state() == v1::PAYMENT_STATE_FAILED);
  CHECK(f.around.gateway.attempts.empty());
  CHECK(f.Get(id).state() == v1::SESSION_STATE_CREATED);
  CHECK(f.Start(id).ok());
}

TEST_CASE("purpose TOKENISE keeps a token and asks no PSP") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Ready(v1::PURPOSE_TOKENISE);
  const v1::Payment payment = Must(f.Pay(*f.one, id, f.Next("Pay")));
  CHECK(payment.state() == v1::PAYMENT_STATE_TOKENISED);
  CHECK(payment.token_id() == "tok_" + f.CaptureOf(id));
  CHECK(f.around.gateway.attempts.empty());
  CHECK(f.Types(id).find("payment.tokenised") != std::string::npos);
}

TEST_CASE("capture, then partial refunds never exceed what was captured, also at once on two replicas") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Ready(v1::PURPOSE_AUTHORISE);
  const std::string payment = Must(f.Pay(*f.one, id, f.Next("Pay"))).id();
  v1::RefundPaymentRequest refund;
  refund.set_payment_id(payment);
  CHECK(CodeOf(f.one->payments.Refund(f.Next("Refund"), refund).status()) == "not_captured");
  v1::CapturePaymentRequest capture;
  capture.set_payment_id(payment);
  capture.set_amount_minor(1001);
  CHECK(CodeOf(f.one->payments.Capture(f.Next("Capture"), capture).status()) == "amount_out_of_range");
  capture.set_amount_minor(900);
  CHECK(Must(f.one->payments.Capture(f.Next("Capture"), capture)).captured_minor() == 900);
  CHECK(CodeOf(f.one->payments.Capture(f.Next("Capture"), capture).status()) == "already_captured");
  refund.set_amount_minor(400);
  std::vector<absl::StatusOr<v1::Payment>> answers(4);
  const std::vector<Change> changes = {f.Next("Refund"), f.Next("Refund"), f.Next("Refund"), f.Next("Refund")};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < answers.size(); ++i) {
    threads.emplace_back([&, i] { answers[i] = (i % 2 == 0 ? f.one : f.two)->payments.Refund(changes[i], refund); });
  }
  for (auto& thread : threads) thread.join();
  int good = 0;
  for (const auto& answer : answers) {
    good += answer.ok() ? 1 : 0;
    if (!answer.ok()) CHECK(CodeOf(answer.status()) == "refund_exceeds_captured");
  }
  CHECK(good == 2);
  CHECK(f.Get(id).payments(0).refunded_minor() == 800);
  refund.set_amount_minor(0);  // all that is left
  CHECK(Must(f.one->payments.Refund(f.Next("Refund"), refund)).refunded_minor() == 900);
  CHECK(CodeOf(f.one->payments.Refund(f.Next("Refund"), refund).status()) == "refund_exceeds_captured");
  v1::VoidPaymentRequest undo;
  undo.set_payment_id(payment);
  CHECK(CodeOf(f.one->payments.Void(f.Next("Void"), undo).status()) == "already_captured");
}

TEST_CASE("the outbox is applied once, and its cursor never runs ahead") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  f.around.gateway.script.set_outcome(gateway::v1::OUTCOME_UNKNOWN);
  const std::string id = f.Ready();
  const std::string payment = Must(f.Pay(*f.one, id, f.Next("Pay"))).id();
  gateway::v1::Attempt stranger = FakeGateway::Approved();
  stranger.set_tenant_id("ten_x");
  stranger.set_payment_id("pay_x");
  stranger.set_operation_id("opr_x");
  stranger.set_version(1);
  f.around.gateway.outbox.push_back(stranger);  // of nobody we know: passed over
  f.around.gateway.Resolve(payment, gateway::v1::OUTCOME_ANSWERED, gateway::v1::ANSWER_DECLINED);
  std::thread other([&] { CHECK(f.two->worker.ConsumeOutcomes(absl::ZeroDuration()).ok()); });
  CHECK(f.Pump());
  other.join();
  CHECK(f.Get(id).payments(0).state() == v1::PAYMENT_STATE_DECLINED);
  CHECK(f.Types(id) == "session.created session.capture_started session.ready payment.processing payment.unknown payment.resolved payment.declined");
  // An older report that comes late changes nothing.
  gateway::v1::Attempt late = f.around.gateway.outbox.front();
  CHECK(f.one->payments.Apply(late, 0).ok());
  CHECK(f.Get(id).payments(0).state() == v1::PAYMENT_STATE_DECLINED);
  CHECK(f.one->registry.Value("flattone_session_contradicting_reports_total") + f.two->registry.Value("flattone_session_contradicting_reports_total") >= 1);
}

}  // namespace
}  // namespace flattone::session
