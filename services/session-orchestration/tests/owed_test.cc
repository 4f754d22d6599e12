// What a payment is owed comes to pass: voids and refunds that fail, reports out of order, refusals that are nobody's answer,
// workers that meet, callers that wait.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "libs/http/client.h"
#include "libs/http/server.h"
#include "services/session-orchestration/rest/door.h"
#include "services/session-orchestration/tests/fixture.h"

namespace flattone::session {
namespace {

using namespace flattone::session::testing;
using storage::testing::Backend;
using storage::testing::Backends;

gateway::v1::Attempt AnswerOf(gateway::v1::Outcome outcome, gateway::v1::Answer answer = gateway::v1::ANSWER_UNSPECIFIED) {
  gateway::v1::Attempt attempt;
  attempt.set_outcome(outcome);
  attempt.set_answer(answer);
  return attempt;
}

struct OwedFixture : Fixture {
  using Fixture::Fixture;
  // The id of the session's payment, cancelled while the PSP had not answered; then the PSP approves.
  std::string ApprovedAfterCancel(const std::string& session) {
    around.gateway.script.set_outcome(gateway::v1::OUTCOME_PENDING);
    const std::string payment = Must(Pay(*one, session, Next("Pay"))).id();
    Must(Cancel(*one, session));
    around.gateway.Resolve(payment, gateway::v1::OUTCOME_ANSWERED, gateway::v1::ANSWER_APPROVED);
    CHECK(Pump());
    return payment;
  }
  OperationRow Operation(int kind) {
    std::vector<OperationRow> found;
    REQUIRE(one->db->Read([&](storage::Transaction& tx) -> absl::Status {
      auto rows = tx.Query("SELECT * FROM operation WHERE kind = $1", {kind});
      if (rows.ok()) found = OperationsIn(*rows);
      return rows.status();
    }).ok());
    REQUIRE(found.size() == 1);
    return found.front();
  }
  // A session on a call of its own that may be paid.
  std::string ReadyOn(const std::string& call) {
    around.relays.calls.insert(tenant + "/" + call);
    v1::CreateSessionRequest wanted = Wanted();
    wanted.mutable_session()->set_call_reference(call);
    const std::string id = Must(one->sessions.Create(Next("Create"), wanted)).id();
    Must(Start(id));
    Keys(id, vault::v1::CAPTURE_STATE_COMPLETE);
    return id;
  }
  v1::PaymentState StateOf(const std::string& session) { return Get(session).payments(0).state(); }
};

TEST_CASE("the void that a cancelled payment is owed is asked for until it is done") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  OwedFixture f(backend);
  const std::string id = f.Ready(v1::PURPOSE_AUTHORISE);
  f.ApprovedAfterCancel(id);
  f.around.gateway.other_scripts = {AnswerOf(gateway::v1::OUTCOME_NOT_SENT),
                                    AnswerOf(gateway::v1::OUTCOME_ANSWERED, gateway::v1::ANSWER_ERROR)};
  const auto voids = [&] {
    CHECK(f.one->worker.DriveOperations().ok());
    return f.around.gateway.attempts.size() - 1;  // without the authorisation
  };
  CHECK(voids() == 1);
  CHECK(voids() == 1);  // not at once again
  f.around.clock.Advance(absl::Seconds(5));
  CHECK(voids() == 2);
  f.around.clock.Advance(absl::Seconds(5));
  CHECK(voids() == 2);  // later with each failure
  CHECK(f.StateOf(id) == v1::PAYMENT_STATE_AUTHORISED);
  f.around.clock.Advance(absl::Seconds(5));
  CHECK(voids() == 3);
  CHECK(f.StateOf(id) == v1::PAYMENT_STATE_VOIDED);
  f.around.clock.Advance(absl::Hours(2));
  CHECK(voids() == 3);
  CHECK(f.Pump());
  CHECK(f.StateOf(id) == v1::PAYMENT_STATE_VOIDED);
}

TEST_CASE("the refund that a cancelled charge is owed is asked for until it is done, and once") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  OwedFixture f(backend);
  const std::string id = f.Ready();
  f.ApprovedAfterCancel(id);
  f.around.gateway.other_scripts = {AnswerOf(gateway::v1::OUTCOME_NOT_SENT),
                                    AnswerOf(gateway::v1::OUTCOME_ANSWERED, gateway::v1::ANSWER_ERROR)};
  CHECK(CodeOf(f.one->worker.DriveOperations()) == "already_captured");
  for (int i = 0; i < 5; ++i) {
    CHECK(f.one->worker.DriveOperations().ok());
    CHECK(f.Pump());
    f.around.clock.Advance(absl::Hours(1));
  }
  CHECK(f.StateOf(id) == v1::PAYMENT_STATE_REFUNDED);
  CHECK(f.Get(id).payments(0).refunded_minor() == 1000);
  CHECK(f.around.gateway.attempts.size() == 4);  // the charge, two refunds that failed, one that did not
}

TEST_CASE("a refund of somebody's that fails on a cancelled charge is owed like the rest of it") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  OwedFixture f(backend);
  const std::string id = f.Ready();
  const std::string payment = f.ApprovedAfterCancel(id);
  v1::RefundPaymentRequest refund;
  refund.set_payment_id(payment);
  refund.set_amount_minor(400);
  f.around.gateway.other_scripts = {AnswerOf(gateway::v1::OUTCOME_UNKNOWN)};
  f.two->payments.EndWaits(f.around.clock.Now());  // nobody waits for it
  Must(f.two->payments.Refund(f.Next("Refund"), refund));
  CHECK(CodeOf(f.one->worker.DriveOperations()) == "already_captured");
  CHECK(f.one->worker.DriveOperations().ok());
  CHECK(f.Get(id).payments(0).refunded_minor() == 600);
  for (auto& [operation, attempt] : f.around.gateway.attempts) {
    if (attempt.outcome() != gateway::v1::OUTCOME_UNKNOWN) continue;
    attempt.set_outcome(gateway::v1::OUTCOME_ANSWERED);
    attempt.set_answer(gateway::v1::ANSWER_ERROR);
    attempt.set_version(2);
    f.around.gateway.outbox.push_back(attempt);
  }
  CHECK(f.Pump());
  f.around.clock.Advance(absl::Minutes(1));
  CHECK(f.one->worker.DriveOperations().ok());
  CHECK(f.Get(id).payments(0).refunded_minor() == 1000);
}

TEST_CASE("a refund that is replied before its charge is known waits for the outbox, which tells both") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  OwedFixture f(backend);
  const gateway::v1::Outcome before = GENERATE(gateway::v1::OUTCOME_PENDING, gateway::v1::OUTCOME_UNKNOWN);
  f.around.gateway.script.set_outcome(before);
  f.around.gateway.script.set_answer(gateway::v1::ANSWER_UNSPECIFIED);
  const std::string id = f.Ready();
  const std::string payment = Must(f.Pay(*f.one, id, f.Next("Pay"))).id();
  Must(f.Cancel(*f.one, id));
  // The adapter finds it charged and gives it back by itself, under the void's id.
  f.around.gateway.Resolve(payment, gateway::v1::OUTCOME_ANSWERED, gateway::v1::ANSWER_APPROVED);
  gateway::v1::Attempt refund = FakeGateway::Approved();
  refund.set_attempt_id("att_refund");
  refund.set_tenant_id(f.tenant);
  refund.set_payment_id(payment);
  refund.set_operation_id(f.Operation(gateway::v1::OPERATION_VOID).id);
  refund.set_operation(gateway::v1::OPERATION_REFUND);
  refund.mutable_amount()->set_amount_minor(1000);
  refund.set_version(1);
  f.around.gateway.outbox.push_back(refund);
  CHECK(f.two->payments.Apply(refund, 0).ok());
  CHECK(f.Pump());
  CHECK(f.StateOf(id) == v1::PAYMENT_STATE_REFUNDED);
  CHECK(f.Get(id).payments(0).refunded_minor() == 1000);
  CHECK(f.Types(id).find("payment.captured") != std::string::npos);
  CHECK(f.Types(id).find("payment.refunded") != std::string::npos);
  CHECK(f.two->registry.Value("flattone_session_contradicting_reports_total") == 0);
}

TEST_CASE("a refusal that is not the neighbour's own settles nothing: it is asked again, and paid once") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  const absl::Status stranger = GENERATE(absl::PermissionDeniedError("x"), absl::UnimplementedError("x"), absl::UnauthenticatedError("x"),
                                         absl::FailedPreconditionError("x"));
  CAPTURE(stranger.ToString());
  OwedFixture f(backend);
  absl::Status& error = GENERATE(false, true) ? f.around.vault.tokenise_error : f.around.gateway.error;
  const std::string id = f.Ready();
  error = stranger;
  CHECK(Must(f.Pay(*f.one, id, f.Next("Pay"))).state() == v1::PAYMENT_STATE_PROCESSING);
  f.around.clock.Advance(absl::Minutes(1));
  (void)f.two->worker.DriveOperations();
  CHECK(f.StateOf(id) == v1::PAYMENT_STATE_PROCESSING);
  error = absl::OkStatus();
  f.around.clock.Advance(absl::Minutes(1));
  CHECK(f.two->worker.DriveOperations().ok());
  CHECK(f.StateOf(id) == v1::PAYMENT_STATE_CAPTURED);
  CHECK(f.around.gateway.charged.size() == 1);
}

TEST_CASE("workers that come to an operation at once make one try") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  OwedFixture f(backend);
  f.around.gateway.script.set_outcome(gateway::v1::OUTCOME_PENDING);
  const std::string id = f.Ready();
  f.around.gateway.error = absl::UnavailableError("away");
  Must(f.Pay(*f.one, id, f.Next("Pay")));
  f.around.gateway.error = absl::OkStatus();
  f.around.clock.Advance(absl::Minutes(1));
  const OperationRow before = f.Operation(gateway::v1::OPERATION_AUTHORISE);
  // Both have found it due before either begins.
  CHECK(f.one->payments.Drive(f.tenant, before.id, absl::ZeroDuration(), PaymentService::When::kIfDue).ok());
  CHECK(f.two->payments.Drive(f.tenant, before.id, absl::ZeroDuration(), PaymentService::When::kIfDue).ok());
  CHECK(f.Operation(gateway::v1::OPERATION_AUTHORISE).tries == before.tries + 1);
  CHECK(f.around.gateway.authorise_calls == 1);
}

TEST_CASE("a worker that hears that the card is gone does not fail a payment whose token another worker has") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  OwedFixture f(backend);
  const std::string id = f.Ready();
  f.around.vault.on_tokenise = [&] {
    f.around.gateway.error = absl::UnavailableError("away");
    f.around.clock.Advance(absl::Minutes(1));
    (void)f.two->worker.DriveOperations();  // has the token, and does not get further
    f.around.vault.tokenise_error = NotThere("capture_lost");
  };
  CHECK(Must(f.Pay(*f.one, id, f.Next("Pay"))).state() == v1::PAYMENT_STATE_PROCESSING);
  f.around.gateway.error = absl::OkStatus();
  f.around.clock.Advance(absl::Minutes(1));
  CHECK(f.two->worker.DriveOperations().ok());
  CHECK(f.StateOf(id) == v1::PAYMENT_STATE_CAPTURED);
}

TEST_CASE("payments beyond those that may be waited for are answered at once, and the worker takes them on") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  OwedFixture f(backend);
  constexpr int kPlaces = 2;
  PaymentService payments(f.one->domain, f.one->meters, f.one->log, kPlaces);
  std::vector<std::string> ids;
  for (int i = 0; i < kPlaces + 2; ++i) ids.push_back(f.ReadyOn("call-" + std::to_string(i)));
  std::mutex mutex;
  std::condition_variable changed;
  int inside = 0;
  bool released = false;
  f.around.gateway.on_authorise = [&] {
    std::unique_lock lock(mutex);
    if (++inside > kPlaces) return;  // it should not have come here
    changed.notify_all();
    changed.wait(lock, [&] { return released; });
  };
  const auto pay = [&](const std::string& id, const Change& change) {
    v1::PayRequest request;
    request.set_session_id(id);
    return payments.Pay(change, request);
  };
  std::vector<absl::StatusOr<v1::Payment>> waited(kPlaces);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kPlaces; ++i) {
    threads.emplace_back([&, i, change = f.Next("Pay")] { waited[i] = pay(ids[i], change); });
  }
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return inside == kPlaces; });
  }
  for (size_t i = kPlaces; i < ids.size(); ++i) {
    CHECK(Must(pay(ids[i], f.Next("Pay"))).state() == v1::PAYMENT_STATE_PROCESSING);
    CHECK(Must(pay(ids[i], f.Next("Pay"))).state() == v1::PAYMENT_STATE_PROCESSING);  // a second click does not wait either
  }
  {
    std::lock_guard lock(mutex);
    CHECK(inside == kPlaces);
    released = true;
    changed.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& one : waited) CHECK(Must(one).state() == v1::PAYMENT_STATE_CAPTURED);
  CHECK(f.two->worker.DriveOperations().ok());
  for (const std::string& id : ids) CHECK(f.StateOf(id) == v1::PAYMENT_STATE_CAPTURED);
  // The places are free again.
  CHECK(Must(pay(f.ReadyOn("call-9"), f.Next("Pay"))).state() == v1::PAYMENT_STATE_CAPTURED);
}

TEST_CASE("payments that are waited for hold up no other call over REST") {
  OwedFixture f(Backend::kSqlite);
  constexpr int kPlaces = 2, kPays = 6;
  PaymentService payments(f.one->domain, f.one->meters, f.one->log, kPlaces);
  obs::Registry registry;
  SessionDispatcher dispatcher({f.one->domain, f.one->sessions, f.one->captures, payments, f.one->platforms, nullptr, registry,
                                f.one->log});
  const auto door = rest::RestDoor::Make({}, rest::PublicServices(), &dispatcher, f.around.random, registry).value();
  http::ServerOptions options;
  options.handler_threads = 2 * kPlaces;
  const auto server = http::HttpServer::Start(options, [&](http::Request request, http::ResponseWriter writer) {
                        door->Handle(std::move(request), std::move(writer));
                      }).value();
  std::vector<std::string> ids;
  for (int i = 0; i < kPays; ++i) ids.push_back(f.ReadyOn("call-" + std::to_string(i)));
  const std::string key = f.NewKey(f.tenant, {v1::API_KEY_ROLE_SESSIONS});
  http::HttpClient client({});
  const auto send = [&](const char* method, const std::string& target, absl::Duration limit) {
    http::ClientRequest request;
    request.method = method;
    request.url = {false, "127.0.0.1", server->port(), target};
    request.headers = {{"Authorization", "Bearer " + key}, {"Idempotency-Key", target}};
    request.deadlines = {limit, limit, limit};
    return client.Send(request);
  };
  std::mutex mutex;
  std::condition_variable changed;
  bool released = false;
  f.around.gateway.on_authorise = [&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return released; });
  };
  std::vector<http::ClientResult> paid(kPays);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kPays; ++i) {
    threads.emplace_back([&, i] { paid[i] = send("POST", "/v1/sessions/" + ids[i] + ":pay", absl::Seconds(60)); });
  }
  while (server->counters().requests < kPays) std::this_thread::yield();
  CHECK(send("GET", "/v1/sessions/" + ids[0], absl::Seconds(5)).code == 200);
  {
    std::lock_guard lock(mutex);
    released = true;
    changed.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
  server->Drain(absl::Seconds(1));
  int captured = 0, processing = 0;
  for (const http::ClientResult& one : paid) {
    captured += one.body.find("PAYMENT_STATE_CAPTURED") != std::string::npos;
    processing += one.body.find("PAYMENT_STATE_PROCESSING") != std::string::npos;
  }
  CHECK(captured == kPlaces);
  CHECK(processing == kPays - kPlaces);
}

}  // namespace
}  // namespace flattone::session
