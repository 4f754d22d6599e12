// The rules of sessions and captures, on both databases, through two replicas.
#include <thread>

#include "services/session-orchestration/tests/fixture.h"

namespace flattone::session {
namespace {

using namespace flattone::session::testing;
using storage::testing::Backend;
using storage::testing::Backends;

TEST_CASE("a payment from creation to the end: states, events, what the neighbours were told") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Ready();
  CHECK(f.Get(id).state() == v1::SESSION_STATE_READY);
  const v1::Payment payment = Must(f.Pay(*f.one, id, f.Next("Pay")));
  CHECK(payment.state() == v1::PAYMENT_STATE_CAPTURED);
  CHECK(payment.captured_minor() == 1000);
  CHECK(payment.last_four() == "4242");
  CHECK(payment.psp_reference() == "psp_1");
  v1::Session session = f.Get(id);
  CHECK(session.state() == v1::SESSION_STATE_CREATED);
  CHECK(session.payments_size() == 1);
  CHECK(f.one->worker.CloseCaptures().ok());
  CHECK(f.around.relays.stopped == f.around.relays.started);
  CHECK(f.around.vault.cancelled.empty());  // the card was tokenised
  v1::EndSessionRequest end;
  end.set_session_id(id);
  CHECK(Must(f.two->sessions.End(f.Next("End"), end)).end_reason() == "completed");
  CHECK(f.Types(id) == "session.created session.capture_started session.ready payment.processing payment.captured session.ended");
  const auto events = f.Events(id);
  for (size_t i = 0; i < events.size(); ++i) {
    CHECK(events[i].session_sequence() == static_cast<int64_t>(i) + 1);
    CHECK(events[i].tenant_sequence() == static_cast<int64_t>(i) + 1);
  }
  CHECK(f.Get(id).last_event_sequence() == static_cast<int64_t>(events.size()));
}

TEST_CASE("two submits at once, on two replicas, with different keys and with the same: one charge") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  const bool same_key = GENERATE(false, true);
  CAPTURE(same_key);
  Fixture f(backend);
  const std::string id = f.Ready();
  const Change first = f.With("pay-1", "Pay", id), second = same_key ? first : f.With("pay-2", "Pay", id);
  absl::StatusOr<v1::Payment> a, b;
  std::thread other([&] { b = f.Pay(*f.two, id, second); });
  a = f.Pay(*f.one, id, first);
  other.join();
  for (const auto* answer : {&a, &b}) {
    if (answer->ok()) continue;
    CHECK(same_key);
    CHECK(CodeOf(answer->status()) == "idempotency_in_progress");
  }
  REQUIRE((a.ok() || b.ok()));
  if (a.ok() && b.ok()) CHECK(a->id() == b->id());
  CHECK(f.around.gateway.charged.size() == 1);
  CHECK(f.Get(id).payments_size() == 1);
  // A third click, after the outcome: the same payment, no error, no charge.
  CHECK(Must(f.Pay(*f.two, id, f.Next("Pay"))).id() == f.Get(id).payments(0).id());
  CHECK(f.around.gateway.attempts.size() == 1);
}

TEST_CASE("an idempotency key replays its answer, refuses another body, and is kept apart by scope") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const v1::Session made = Must(f.one->sessions.Create(f.With("k", "Create"), f.Wanted()));
  const v1::Session again = Must(f.two->sessions.Create(f.With("k", "Create"), f.Wanted()));
  CHECK(made.SerializeAsString() == again.SerializeAsString());
  CHECK(CodeOf(f.two->sessions.Create(f.With("k", "Create", "", "other"), f.Wanted()).status()) == "idempotency_key_reused");
  CHECK(Must(f.one->sessions.Create(f.With("k", "Other"), f.Wanted())).id() != made.id());
  Change live = f.With("k", "Create");
  live.world.mode = live.once.world.mode = 2;
  CHECK(Must(f.one->sessions.Create(live, f.Wanted())).id() != made.id());
  f.around.clock.Advance(absl::Hours(24 * 30) + absl::Seconds(1));
  CHECK(Must(f.one->sessions.Create(f.With("k", "Create"), f.Wanted())).id() != made.id());
  // A refused request has changed nothing, so its key stays free.
  auto bad = f.Wanted();
  bad.mutable_session()->clear_agent();
  CHECK(!f.one->sessions.Create(f.With("k2", "Create"), bad).ok());
  CHECK(f.one->sessions.Create(f.With("k2", "Create", "", "good"), f.Wanted()).ok());
}

TEST_CASE("a start that fails leaves nothing behind: vault cancelled, relay told, the agent may try again") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Create();
  f.around.relays.start_error = Refuse(absl::StatusCode::kUnavailable, "no_masker", "no masker");
  CHECK(CodeOf(f.Start(id).status()) == "no_masker");
  const std::string failed = f.CaptureOf(id);
  CHECK(f.around.vault.cancelled == std::vector<std::string>{failed});
  CHECK(f.around.relays.stopped == std::vector<std::string>{failed});
  CHECK(f.Get(id).state() == v1::SESSION_STATE_CREATED);
  f.around.relays.start_error = absl::OkStatus();
  CHECK(Must(f.Start(id)).state() == v1::SESSION_STATE_CAPTURING);
  CHECK(f.Types(id) == "session.created session.capture_started");
  CHECK(CodeOf(f.Start(id).status()) == "capture_running");
  // The vault refuses: the relay is never asked.
  const std::string other = f.Create();
  f.around.vault.open_error = Refuse(absl::StatusCode::kResourceExhausted, "vault_full", "no slot is free");
  const size_t asked = f.around.relays.started.size();
  CHECK(CodeOf(f.Start(other).status()) == "vault_full");
  CHECK(f.around.relays.started.size() == asked);
}

TEST_CASE("a start anew that fails before the relay is asked shows the call as protected until the relay says otherwise") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Ready();
  const std::string first = f.CaptureOf(id);
  f.around.vault.open_error = Refuse(absl::StatusCode::kUnavailable, "draining", "this vault is shutting down");
  CHECK(CodeOf(f.Start(id).status()) == "draining");
  CHECK(f.Get(id).protection() == v1::PROTECTION_STOPPING);
  CHECK(f.one->worker.CloseCaptures().ok());
  CHECK(f.Get(id).protection() == v1::PROTECTION_STOPPING);
  v1::ReportCallsRequest reports;
  reports.set_relay_id("rly_1");
  auto* plain = reports.add_reports();
  plain->set_report_id("r1");
  plain->set_kind(v1::CALL_REPORT_KIND_PROTECTION);
  plain->set_tenant_id(f.tenant);
  plain->set_call_reference("call-1");
  plain->set_capture_id(first);
  plain->set_secure_state(media::v1::SECURE_STATE_PLAIN);
  Must(f.one->fleet.Report(reports));
  CHECK(f.Get(id).protection() == v1::PROTECTION_OFF);
  f.around.vault.open_error = absl::OkStatus();
  CHECK(Must(f.Start(id)).protection() == v1::PROTECTION_ON);
}

TEST_CASE("a start whose process died is undone by the worker") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Create();
  REQUIRE(f.one->db->Write([&](storage::Transaction& tx) -> absl::Status {
    auto row = LoadSession(tx, f.world(), id, Lock::kYes);
    if (!row.ok()) return row.status();
    CaptureRow capture;
    capture.id = row->capture_id = "cap_dead";
    capture.tenant_id = f.tenant;
    capture.session_id = id;
    capture.phase = "STARTING";
    capture.relay_address = "relay:7001";
    capture.vault_address = "vault-1:7003";
    capture.owner_until_us = f.one->domain.NowUs() + 1'000'000;
    FT_TRY(InsertCapture(tx, capture));
    return SaveSession(tx, *row);
  }).ok());
  CHECK(CodeOf(f.Start(id).status()) == "capture_running");
  f.around.clock.Advance(absl::Seconds(2));
  CHECK(f.two->worker.UndoStarts().ok());
  CHECK(f.two->worker.CloseCaptures().ok());
  CHECK(f.around.relays.stopped == std::vector<std::string>{"cap_dead"});
  CHECK(f.Start(id).ok());
}

TEST_CASE("stopping the relay is tried until it confirms") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Create();
  Must(f.Start(id));
  f.around.relays.stop_error = absl::UnavailableError("away");
  CHECK(Must(f.Cancel(*f.one, id)).protection() == v1::PROTECTION_STOPPING);
  for (int i = 0; i < 3; ++i) {
    CHECK(f.one->worker.CloseCaptures().ok());
    f.around.clock.Advance(absl::Seconds(20));
  }
  CHECK(f.around.relays.stopped.empty());
  f.around.relays.stop_error = absl::OkStatus();
  CHECK(f.two->worker.CloseCaptures().ok());
  CHECK(f.around.relays.stopped.size() == 1);
  f.around.clock.Advance(absl::Seconds(20));
  CHECK(f.two->worker.CloseCaptures().ok());
  CHECK(f.around.relays.stopped.size() == 1);
}

TEST_CASE("a vault that died gives the session back, and the event says why") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Create();
  Must(f.Start(id));
  f.Keys(id, vault::v1::CAPTURE_STATE_COLLECTING);
  f.around.vault.captures.clear();
  v1::UndoKeyRequest undo;
  undo.set_session_id(id);
  undo.set_field(common::v1::CARD_FIELD_PAN);
  CHECK(CodeOf(f.one->captures.UndoKey(f.Next("Undo"), undo).status()) == "capture_lost");
  CHECK(f.Get(id).state() == v1::SESSION_STATE_CREATED);
  CHECK(f.Events(id).back().type() == "session.capture_ended");
  CHECK(f.Events(id).back().message().find("start it again") != std::string::npos);
  CHECK(f.Start(id).ok());
}

TEST_CASE("progress counts once, by its revision") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Create();
  Must(f.Start(id));
  const auto status = Must(f.around.vault.Change(f.CaptureOf(id), vault::v1::CAPTURE_STATE_COLLECTING));
  CHECK(f.one->captures.Apply(f.tenant, status).ok());
  CHECK(f.two->captures.Apply(f.tenant, status).ok());
  CHECK(f.Types(id) == "session.created session.capture_started session.progress");
}

TEST_CASE("another tenant and the other mode see nothing") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Ready();
  const std::string payment = Must(f.Pay(*f.one, id, f.Next("Pay"))).id();
  const std::string stranger = f.NewTenant("Other");
  v1::GetSessionRequest get;
  get.set_session_id(id);
  v1::GetPaymentRequest get_payment;
  get_payment.set_payment_id(payment);
  for (const World& world : {World{stranger, 1}, World{f.tenant, 2}}) {
    CHECK(CodeOf(f.one->sessions.Get(world, get).status()) == "session_not_found");
    CHECK(CodeOf(f.one->payments.Get(world, get_payment).status()) == "payment_not_found");
    CHECK(Must(f.one->sessions.List(world, {})).sessions().empty());
    CHECK(Must(f.one->payments.List(world, {})).payments().empty());
  }
  // B starts a capture on A's live call: unknown, and the relay was told nothing.
  Change theirs = f.Next("Create");
  theirs.world = theirs.once.world = {stranger, 1};
  const std::string session = Must(f.one->sessions.Create(theirs, f.Wanted())).id();
  v1::StartCaptureRequest start;
  start.set_session_id(session);
  theirs.once.method = "Start";
  const size_t asked = f.around.relays.started.size();
  CHECK(CodeOf(f.one->captures.Start(theirs, start).status()) == "call_not_found");
  CHECK(f.around.relays.started.size() == asked);
}

TEST_CASE("the next capture of a call may start at once: the relay is told of the last one's end first") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Ready();
  REQUIRE(Must(f.Pay(*f.one, id, f.Next("Pay"))).state() == v1::PAYMENT_STATE_CAPTURED);
  const std::string first = f.CaptureOf(id);
  REQUIRE(f.around.relays.stopped.empty());  // the worker has not come round yet
  CHECK(Must(f.Start(id)).state() == v1::SESSION_STATE_CAPTURING);
  CHECK(f.around.relays.stopped == std::vector<std::string>{first});
  CHECK(f.around.relays.started.back() == f.CaptureOf(id));
  // Another session of the same call, after the first has ended.
  v1::EndSessionRequest end;
  end.set_session_id(id);
  Must(f.two->sessions.End(f.Next("End"), end));
  const std::string second = f.CaptureOf(id), other = f.Create();
  CHECK(Must(f.Start(other)).protection() == v1::PROTECTION_ON);
  CHECK(f.around.relays.stopped == std::vector<std::string>{first, second});
  CHECK(f.one->worker.CloseCaptures().ok());
  CHECK(f.around.relays.stopped.size() == 2);
}

TEST_CASE("a relay that answers plain ends the protection of a start that failed") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Create();
  f.around.relays.start_error = Refuse(absl::StatusCode::kUnavailable, "no_masker", "no masker");
  f.around.relays.stop_state = media::v1::SECURE_STATE_PLAIN;
  CHECK(!f.Start(id).ok());
  CHECK(f.Get(id).protection() == v1::PROTECTION_OFF);
}

TEST_CASE("a session ends by itself when its time is over") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Create();
  f.around.clock.Advance(absl::Hours(4) + absl::Seconds(1));
  CHECK(f.one->worker.EndExpired().ok());
  CHECK(f.Get(id).end_reason() == "timed_out");
}

TEST_CASE("a request is refused with the field and its limit") {
  Fixture f(Backend::kSqlite);
  const auto refused = [&](auto change) {
    auto request = f.Wanted();
    change(*request.mutable_session());
    const auto answer = f.one->sessions.Create(f.Next("Create"), request);
    const auto detail = DetailOf(answer.status());
    return detail.has_value() ? detail->code + " " + detail->field : answer.status().ToString();
  };
  CHECK(refused([](v1::Session& s) { s.clear_call_reference(); }) == "invalid_field session.call_reference");
  CHECK(refused([](v1::Session& s) { s.mutable_intent()->mutable_amount()->set_amount_minor(0); }) == "amount_out_of_range session.intent.amount.amount_minor");
  CHECK(refused([](v1::Session& s) { s.mutable_intent()->mutable_amount()->set_amount_minor(100'000'000); }) == "amount_out_of_range session.intent.amount.amount_minor");
  CHECK(refused([](v1::Session& s) { s.mutable_intent()->mutable_amount()->set_currency_code("XXX"); }) == "currency_unknown session.intent.amount.currency_code");
  CHECK(refused([](v1::Session& s) { s.mutable_intent()->set_purpose(static_cast<v1::Purpose>(77)); }) == "invalid_field session.intent.purpose");
  CHECK(refused([](v1::Session& s) { s.mutable_intent()->set_order_reference("a b"); }) == "invalid_field session.intent.order_reference");
  CHECK(refused([](v1::Session& s) { s.mutable_capture()->add_fields(common::v1::CARD_FIELD_EXPIRY); }) == "invalid_field session.capture.fields");
  CHECK(refused([](v1::Session& s) { s.mutable_capture()->set_card_tries(11); }) == "invalid_field session.capture.card_tries");
  const std::string card = "4" + std::string(14, '1') + "1";
  CHECK(refused([&](v1::Session& s) { s.set_agent("card " + card); }) == "card_data_refused session.agent");
  CHECK(refused([&](v1::Session& s) { (*s.mutable_intent()->mutable_metadata())["note"] = card; }) == "card_data_refused session.intent.metadata.note");
}

TEST_CASE("lists come in pages, newest first, and a page token is ours or refused") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  std::vector<std::string> made;
  for (int i = 0; i < 5; ++i) made.push_back(f.Create());
  v1::ListSessionsRequest list;
  list.set_page_size(2);
  std::set<std::string> seen;
  int pages = 0;
  do {
    const auto page = Must(f.one->sessions.List(f.world(), list));
    CHECK(page.sessions_size() <= 2);
    for (const auto& session : page.sessions()) CHECK(seen.insert(session.id()).second);
    list.set_page_token(page.next_page_token());
    ++pages;
  } while (!list.page_token().empty());
  CHECK(seen.size() == made.size());
  CHECK(pages == 3);
  list.set_page_token("!!");
  CHECK(!f.one->sessions.List(f.world(), list).ok());
  list.clear_page_token();
  list.set_page_size(201);
  CHECK(!f.one->sessions.List(f.world(), list).ok());
}

}  // namespace
}  // namespace flattone::session
