// Credentials, roles, tokens and streams, through the dispatcher that both doors use.
#include <atomic>
#include <thread>

#include "services/session-orchestration/tests/fixture.h"

namespace flattone::session {
namespace {

using namespace flattone::session::testing;
using storage::testing::Backend;
using storage::testing::Backends;

constexpr char kPrefix[] = "flattone.session.v1.SessionService.";

CallContext Bearer(const std::string& secret, const std::string& key = {}) {
  CallContext context;
  context.credential_kind = CallContext::Credential::kBearer;
  context.credential = secret;
  context.idempotency_key = key;
  return context;
}
std::string Answer(Replica& replica, const char* name, const google::protobuf::Message& request, const CallContext& context) {
  return CodeOf(replica.dispatcher.Call(std::string(kPrefix) + name, request, context).status());
}

TEST_CASE("a key opens what its roles say, in its mode, until it expires or is revoked") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Create();
  v1::GetSessionRequest get;
  get.set_session_id(id);
  CHECK(Answer(*f.one, "GetSession", get, {}) == "credential_missing");
  CHECK(Answer(*f.one, "GetSession", get, Bearer("ft_test_unknown")) == "credential_invalid");
  const std::string sessions = f.NewKey(f.tenant, {v1::API_KEY_ROLE_SESSIONS}), sessions_id = f.last_key.id();
  const std::string finance = f.NewKey(f.tenant, {v1::API_KEY_ROLE_FINANCE});
  const std::string read = f.NewKey(f.tenant, {v1::API_KEY_ROLE_READ});
  const std::string live = f.NewKey(f.tenant, {v1::API_KEY_ROLE_READ}, common::v1::MODE_LIVE);
  CHECK(sessions.rfind("ft_test_", 0) == 0);
  CHECK(live.rfind("ft_live_", 0) == 0);
  CHECK(sessions.size() == 8 + 64);
  CHECK(Answer(*f.one, "GetSession", get, Bearer(read)) == "ok");
  CHECK(Answer(*f.one, "GetSession", get, Bearer(live)) == "session_not_found");
  CHECK(Answer(*f.one, "CreateSession", f.Wanted(), Bearer(read, "k")) == "role_missing");
  CHECK(Answer(*f.one, "CreateSession", f.Wanted(), Bearer(sessions)) == "idempotency_key_required");
  CHECK(Answer(*f.one, "CreateSession", f.Wanted(), Bearer(sessions, "k")) == "ok");
  CHECK(Answer(*f.one, "RefundPayment", v1::RefundPaymentRequest(), Bearer(sessions, "k")) == "role_missing");
  CHECK(Answer(*f.one, "RefundPayment", v1::RefundPaymentRequest(), Bearer(finance, "k")) == "payment_not_found");
  get.set_session_id(std::string("a\0b", 3));
  CHECK(Answer(*f.one, "GetSession", get, Bearer(read)) == "invalid_field");
  get.set_session_id(id);
  CHECK(Answer(*f.two, "GetSession", get, Bearer(sessions)) == "ok");
  v1::RevokeApiKeyRequest revoke;
  revoke.set_key_id(sessions_id);
  Must(f.one->admin.RevokeApiKey("operator", revoke));
  CHECK(Answer(*f.two, "GetSession", get, Bearer(sessions)) == "credential_invalid");
  // Nowhere in the database is the secret itself.
  REQUIRE(f.one->db->Read([&](storage::Transaction& tx) -> absl::Status {
    auto rows = tx.Query("SELECT secret_hash, body FROM api_key");
    for (const auto& row : *rows) {
      CHECK(row.Text("secret_hash").find(read.substr(8)) == std::string::npos);
      CHECK(row.Bytes("body").find(read.substr(8)) == std::string::npos);
    }
    return absl::OkStatus();
  }).ok());
}

TEST_CASE("a platform's key acts for its own merchants only") {
  Fixture f(Backend::kSqlite);
  v1::CreateTenantRequest create;
  create.mutable_tenant()->set_name("Platform");
  create.mutable_tenant()->set_platform(true);
  const std::string platform = Must(f.one->admin.CreateTenant("operator", create)).id();
  create.mutable_tenant()->set_platform(false);
  create.mutable_tenant()->set_platform_id(platform);
  const std::string merchant = Must(f.one->admin.CreateTenant("operator", create)).id();
  CallContext context = Bearer(f.NewKey(platform, {v1::API_KEY_ROLE_SESSIONS}), "k");
  context.acting_tenant = merchant;
  CHECK(Answer(*f.one, "CreateSession", f.Wanted(), context) == "ok");
  CHECK(Must(f.one->sessions.List({merchant, 1}, {})).sessions_size() == 1);
  context.acting_tenant = f.tenant;
  CHECK(Answer(*f.one, "CreateSession", f.Wanted(), context) == "tenant_not_yours");
}

TEST_CASE("an agent token opens one session, some actions, for minutes; its repeat shows no secret") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Create(), other = f.Create();
  const std::string key = f.NewKey(f.tenant, {v1::API_KEY_ROLE_SESSIONS}), key_id = f.last_key.id();
  v1::CreateAgentTokenRequest create;
  create.set_session_id(id);
  create.add_actions(v1::AGENT_ACTION_CAPTURE);
  const auto made = Must(f.one->dispatcher.Call(std::string(kPrefix) + "CreateAgentToken", create, Bearer(key, "k")));
  const std::string token = static_cast<const v1::AgentToken&>(*made).token();
  CHECK(token.rfind("agt_", 0) == 0);
  const auto again = Must(f.two->dispatcher.Call(std::string(kPrefix) + "CreateAgentToken", create, Bearer(key, "k")));
  CHECK(static_cast<const v1::AgentToken&>(*again).token().empty());
  v1::GetSessionRequest get;
  get.set_session_id(id);
  CHECK(Answer(*f.two, "GetSession", get, Bearer(token)) == "ok");
  v1::StartCaptureRequest start;
  start.set_session_id(id);
  CHECK(Answer(*f.two, "StartCapture", start, Bearer(token, "s")) == "ok");
  CHECK(f.Events(id).back().actor() == "agent-7");
  v1::PayRequest pay;
  pay.set_session_id(id);
  CHECK(Answer(*f.two, "Pay", pay, Bearer(token, "p")) == "action_not_allowed");
  CHECK(Answer(*f.two, "ListSessions", v1::ListSessionsRequest(), Bearer(token)) == "action_not_allowed");
  get.set_session_id(other);
  CHECK(Answer(*f.two, "GetSession", get, Bearer(token)) == "session_not_found");
  get.set_session_id(id);
  CallContext cookie = Bearer(token);
  cookie.credential_kind = CallContext::Credential::kAgentCookie;
  CHECK(Answer(*f.two, "GetSession", get, cookie) == "ok");
  cookie.same_site = false;
  CHECK(Answer(*f.two, "GetSession", get, cookie) == "cross_site");
  f.around.clock.Advance(absl::Minutes(16));
  CHECK(Answer(*f.two, "GetSession", get, Bearer(token)) == "credential_invalid");
}

TEST_CASE("a stream opened on one replica shows what the other did, resumes, and ends with the session") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string key = f.NewKey(f.tenant, {v1::API_KEY_ROLE_READ}), key_id = f.last_key.id();
  const std::string id = f.Create();
  v1::StreamSessionEventsRequest request;
  request.set_session_id(id);
  auto stream = Must(f.two->dispatcher.OpenStream(std::string(kPrefix) + "StreamSessionEvents", request, "", Bearer(key)));
  std::vector<StreamItem> items;
  REQUIRE(stream->Poll(10, &items).ok());
  REQUIRE(items.size() == 1);
  CHECK(items[0].event == "session.created");
  std::atomic<bool> woken{false};
  stream->OnReady([&] { woken = true; });
  Must(f.Start(id));
  Must(f.Cancel(*f.one, id));
  for (int i = 0; i < 500 && !woken; ++i) std::this_thread::yield();
  items.clear();
  REQUIRE(stream->Poll(10, &items).ok());
  REQUIRE(items.size() == 2);
  CHECK(items[1].event == "session.ended");
  CHECK(items[1].id == "3");
  CHECK(stream->Poll(10, &items).code() == absl::StatusCode::kOutOfRange);
  auto resumed = Must(f.one->dispatcher.OpenStream(std::string(kPrefix) + "StreamSessionEvents", request, "2", Bearer(key)));
  items.clear();
  REQUIRE(resumed->Poll(10, &items).ok());
  REQUIRE(items.size() == 1);
  CHECK(resumed->Poll(10, &items).code() == absl::StatusCode::kOutOfRange);
  // Whoever has read all of it comes back in vain, and hears so at once.
  CHECK(f.one->dispatcher.OpenStream(std::string(kPrefix) + "StreamSessionEvents", request, "3", Bearer(key)).status().code() == absl::StatusCode::kOutOfRange);
  CHECK(!f.one->dispatcher.OpenStream(std::string(kPrefix) + "StreamSessionEvents", request, "x", Bearer(key)).ok());
  v1::StreamSessionEventsRequest nameless;
  CHECK(CodeOf(f.one->dispatcher.OpenStream(std::string(kPrefix) + "StreamSessionEvents", nameless, "", Bearer(key)).status()) == "session_not_found");
  // A revoked key ends a stream that is open.
  auto open = Must(f.one->dispatcher.OpenStream(std::string(kPrefix) + "StreamEvents", v1::StreamEventsRequest(), "", Bearer(key)));
  v1::RevokeApiKeyRequest revoke;
  revoke.set_key_id(key_id);
  Must(f.two->admin.RevokeApiKey("operator", revoke));
  CHECK(CodeOf(open->Poll(10, &items)) == "credential_invalid");
}

TEST_CASE("numbers are without gaps and in commit order, whatever rolls back and whoever reads meanwhile") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  std::atomic<bool> done{false};
  int64_t seen = 0;
  bool ordered = true;
  std::thread reader([&] {
    while (!done) {
      const absl::Status read = f.two->db->Read([&](storage::Transaction& tx) -> absl::Status {
        auto events = TenantEvents(tx, f.world(), seen, 100);
        if (!events.ok()) return events.status();
        for (const auto& event : *events) {
          ordered = ordered && event.tenant_sequence() == seen + 1;
          seen = event.tenant_sequence();
        }
        return absl::OkStatus();
      });
      ordered = ordered && read.ok();
      std::this_thread::yield();
    }
  });
  std::vector<Change> changes;
  for (int i = 0; i < 40; ++i) changes.push_back(f.Next("Create"));
  const auto write = [&](Replica& replica, size_t from) {
    for (size_t i = from; i < changes.size(); i += 2) {
      // Every third one is rolled back after its number was given.
      if (i % 3 == 0) {
        const absl::Status undone = replica.db->Write([&](storage::Transaction& tx) -> absl::Status {
          SessionRow row;
          row.id = "ses_undone" + std::to_string(i);
          row.tenant_id = f.tenant;
          row.mode = 1;
          row.SetState(SessionState::kCreated);
          FT_TRY(InsertSession(tx, row));
          FT_TRY(AppendEvent(tx, f.around.random, f.around.clock.Now(), row, {"session.created", "x", {}}).status());
          return absl::CancelledError("rolled back");
        });
        REQUIRE(undone.code() == absl::StatusCode::kCancelled);
      }
      REQUIRE(replica.sessions.Create(changes[i], f.Wanted()).ok());
    }
  };
  std::thread other([&] { write(*f.two, 1); });
  write(*f.one, 0);
  other.join();
  while (seen < 40 && ordered) std::this_thread::yield();
  done = true;
  reader.join();
  CHECK(ordered);
  CHECK(seen == 40);
}

TEST_CASE("many tenants' readers wait side by side: each is woken by its own tenant's event") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  EventHub hub(*f.one->db, SystemClock(), {absl::Milliseconds(5), absl::Hours(1)});
  constexpr int kTenants = 150;
  std::vector<std::atomic<bool>> woken(kTenants);
  std::vector<uint64_t> tickets;
  for (int i = 0; i < kTenants; ++i) {
    tickets.push_back(hub.Wait({"ten_" + std::to_string(i), 1}, 0, [&woken, i] { woken[static_cast<size_t>(i)] = true; }));
  }
  const std::vector<int> told = {0, 7, 99, 128, 149};
  REQUIRE(f.one->db->Write([&](storage::Transaction& tx) -> absl::Status {
    for (const int i : told) FT_TRY(tx.Execute("INSERT INTO world (tenant_id, mode, last_event) VALUES ($1, 1, 1)", {"ten_" + std::to_string(i)}).status());
    return tx.Execute("INSERT INTO world (tenant_id, mode, last_event) VALUES ('ten_1', 2, 1)", {}).status();
  }).ok());
  hub.Poke();
  for (const int i : told) {
    while (!woken[static_cast<size_t>(i)]) std::this_thread::yield();
  }
  CHECK(hub.waiting() == kTenants - told.size());
  CHECK(!woken[1]);  // the other mode's event
  for (const uint64_t ticket : tickets) hub.Cancel(ticket);
}

TEST_CASE("what a database says of its own trouble is for the log: a caller hears that it failed, not where") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const CallContext context = Bearer(f.NewKey(f.tenant, {v1::API_KEY_ROLE_READ}));
  auto stream = f.one->dispatcher.OpenStream(std::string(kPrefix) + "StreamEvents", v1::StreamEventsRequest(), {}, context);
  REQUIRE(stream.ok());
  REQUIRE(f.one->db->Write([](storage::Transaction& tx) { return tx.Execute("ALTER TABLE event RENAME TO mislaid").status(); }).ok());
  const absl::Status listed = f.one->dispatcher.Call(std::string(kPrefix) + "ListEvents", v1::ListEventsRequest(), context).status();
  std::vector<StreamItem> items;
  for (const absl::Status& status : {listed, (*stream)->Poll(10, &items)}) {
    CHECK_FALSE(status.ok());
    CHECK(status.message() == "This could not be answered just now; try again with the same Idempotency-Key, or ask with the trace id.");
  }
}

TEST_CASE("a neighbour that refuses this process is our trouble, not a missing right of who asks") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  CallContext context = Bearer(f.NewKey(f.tenant, {v1::API_KEY_ROLE_SESSIONS}));
  context.idempotency_key = "start-1";
  v1::StartCaptureRequest start;
  start.set_session_id(f.Create());
  f.around.vault.open_error = absl::PermissionDeniedError("this identity may not call this method");
  const absl::Status refused = f.one->dispatcher.Call(std::string(kPrefix) + "StartCapture", start, context).status();
  CHECK(refused.code() == absl::StatusCode::kInternal);
  CHECK(refused.message().find("identity") == absl::string_view::npos);
}

TEST_CASE("every method of the contract has a rule, and an unknown one is refused") {
  Fixture f(Backend::kSqlite);
  for (const auto* service : {v1::CreateSessionRequest::descriptor()->file()->FindServiceByName("SessionService"),
                              v1::CreatePlatformTenantRequest::descriptor()->file()->FindServiceByName("PlatformService")}) {
    REQUIRE(service != nullptr);
    for (int i = 0; i < service->method_count(); ++i) {
      INFO(service->method(i)->name());
      const v1::GetSessionRequest any;
      CHECK(Answer(*f.one, service->method(i)->name().c_str(), any, {}) == "credential_missing");
    }
  }
  CHECK(Answer(*f.one, "DropTables", v1::GetSessionRequest(), {}) == "method_unknown");
}

TEST_CASE("what an operator does is recorded in order") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  f.NewKey(f.tenant, {v1::API_KEY_ROLE_READ});
  v1::PutEdgeRequest edge;
  edge.mutable_edge()->set_edge_id("edge-1");
  edge.mutable_edge()->add_tenant_ids(f.tenant);
  Must(f.one->admin.PutEdge("operator", edge));
  edge.mutable_edge()->add_tenant_ids("ten_unknown");
  CHECK(!f.one->admin.PutEdge("operator", edge).ok());
  const auto actions = Must(f.two->admin.ListActions({}));
  REQUIRE(actions.actions_size() == 3);
  CHECK(actions.actions(0).action() == "tenant.create");
  CHECK(actions.actions(1).action() == "key.create");
  CHECK(actions.actions(2).action() == "edge.put");
  CHECK(actions.actions(2).sequence() == 3);
  // A relay hears of edges when its revision is old, and only then.
  v1::RenewRelayLeaseRequest renew;
  renew.set_relay_id("rly_1");
  const auto lease = Must(f.one->fleet.Renew(renew));
  CHECK(lease.edges_included());
  CHECK(lease.edges_size() == 1);
  renew.set_edges_revision(lease.edges_revision());
  CHECK(!Must(f.two->fleet.Renew(renew)).edges_included());
  renew.set_relay_id("rly_unknown");
  CHECK(CodeOf(f.one->fleet.Renew(renew).status()) == "lease_expired");
}

}  // namespace
}  // namespace flattone::session
