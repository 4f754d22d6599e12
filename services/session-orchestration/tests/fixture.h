// Two replicas of the domain on one database, with fakes around, for the tests of this service.
#pragma once

#include <memory>
#include <string>

#include "libs/obs/metrics.h"
#include "libs/storage/migrate.h"
#include "libs/storage/scratch.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"
#include "services/session-orchestration/event/event_log.h"
#include "services/session-orchestration/grpc/dispatcher.h"
#include "services/session-orchestration/payment/payment_service.h"
#include "services/session-orchestration/ports/fakes.h"
#include "services/session-orchestration/schema/schema.h"
#include "services/session-orchestration/session/capture_service.h"
#include "services/session-orchestration/session/session_service.h"
#include "services/session-orchestration/tenant/admin.h"
#include "services/session-orchestration/worker/worker.h"

namespace flattone::session::testing {

// Randomness of several threads needs a lock; seeded, so that ids repeat from run to run.
class LockedRandom final : public Random {
 public:
  explicit LockedRandom(uint64_t seed) : inner_(seed) {}
  void Fill(std::span<uint8_t> out) override {
    std::lock_guard lock(mutex_);
    inner_.Fill(out);
  }

 private:
  std::mutex mutex_;
  flattone::testing::SeededRandom inner_;
};

struct Around {
  explicit Around(storage::testing::Backend backend) : scratch(backend) {}
  storage::testing::ScratchDatabase scratch;
  flattone::testing::FakeClock clock;
  LockedRandom random{11};
  FakeRelays relays;
  FakeVault vault;
  FakeGateway gateway;
  Gates gates;
};

struct Replica {
  Replica(Around& around, std::string name)
      : db(storage::Database::Open(around.scratch.url(), {}).value()),
        hub(*db, SystemClock(), {absl::Milliseconds(10), absl::Milliseconds(100)}),
        domain{*db, around.clock, around.random, around.relays, around.vault, around.gateway, hub, around.gates, std::move(name)},
        meters(registry), log({.service = "test"}, around.clock, registry, [](std::string_view) {}),
        sessions(domain), captures(domain, nullptr), payments(domain, meters, log), fleet(domain),
        platforms(around.clock, around.random), admin(*db, around.clock, around.random), worker(domain, captures, payments, fleet),
        dispatcher({domain, sessions, captures, payments, platforms, nullptr, registry, log}) {}
  std::unique_ptr<storage::Database> db;
  EventHub hub;
  Domain domain;
  obs::Registry registry;
  PaymentMeters meters;
  obs::Logger log;
  SessionService sessions;
  CaptureService captures;
  PaymentService payments;
  Fleet fleet;
  PlatformStore platforms;
  AdminStore admin;
  Worker worker;
  SessionDispatcher dispatcher;
};

template <typename T>
T Must(absl::StatusOr<T> value) {
  INFO(value.status().ToString());
  REQUIRE(value.ok());
  return *std::move(value);
}
inline std::string CodeOf(const absl::Status& status) {
  const auto detail = DetailOf(status);
  return detail.has_value() ? detail->code : std::string(status.ok() ? "ok" : status.ToString());
}

struct Fixture {
  explicit Fixture(storage::testing::Backend backend) : around(backend) {
    auto db = storage::Database::Open(around.scratch.url(), {}).value();
    REQUIRE(storage::Migrate(*db, Migrations()).ok());
    one = std::make_unique<Replica>(around, "one");
    two = std::make_unique<Replica>(around, "two");
    tenant = NewTenant("Acme");
    v1::RegisterRelayRequest relay;
    relay.set_relay_id("rly_1");
    relay.set_grpc_address("relay:7001");
    Must(one->fleet.Register(relay));
    around.relays.calls.insert(tenant + "/call-1");
  }
  std::string NewTenant(const std::string& name) {
    v1::CreateTenantRequest request;
    request.mutable_tenant()->set_name(name);
    return Must(one->admin.CreateTenant("operator", request)).id();
  }
  std::string NewKey(const std::string& tenant_id, std::vector<v1::ApiKeyRole> roles, common::v1::Mode mode = common::v1::MODE_TEST) {
    v1::CreateApiKeyRequest request;
    request.mutable_key()->set_tenant_id(tenant_id);
    request.mutable_key()->set_mode(mode);
    for (const auto role : roles) request.mutable_key()->add_roles(role);
    last_key = Must(one->admin.CreateApiKey("operator", request));
    return last_key.secret();
  }
  World world(int mode = 1) const { return {tenant, mode}; }
  Change With(const std::string& key, const std::string& method = "m", const std::string& resource = "", const std::string& hash = "h") {
    return {world(), "agent-7", {world(), method, resource, key, hash}, {}};
  }
  Change Next(const std::string& method = "m") { return With("key-" + std::to_string(++keys), method); }

  v1::CreateSessionRequest Wanted(v1::Purpose purpose = v1::PURPOSE_CHARGE) {
    v1::CreateSessionRequest request;
    auto* session = request.mutable_session();
    session->set_call_reference("call-1");
    session->set_agent("agent-7");
    session->mutable_intent()->set_order_reference("order-1");
    session->mutable_intent()->set_purpose(purpose);
    if (purpose != v1::PURPOSE_TOKENISE) {
      session->mutable_intent()->mutable_amount()->set_amount_minor(1000);
      session->mutable_intent()->mutable_amount()->set_currency_code("EUR");
    }
    return request;
  }
  std::string Create(v1::Purpose purpose = v1::PURPOSE_CHARGE) { return Must(one->sessions.Create(Next("Create"), Wanted(purpose))).id(); }
  absl::StatusOr<v1::Session> Start(const std::string& id, std::initializer_list<common::v1::CardField> again = {}) {
    v1::StartCaptureRequest request;
    request.set_session_id(id);
    for (const auto field : again) request.add_fields(field);
    return one->captures.Start(Next("Start"), request);
  }
  std::string CaptureOf(const std::string& id) {
    std::string capture;
    REQUIRE(one->db->Read([&](storage::Transaction& tx) -> absl::Status {
      auto row = LoadSessionOfTenant(tx, tenant, id, Lock::kNo);
      if (row.ok()) capture = row->capture_id;
      return row.status();
    }).ok());
    return capture;
  }
  void Keys(const std::string& id, vault::v1::CaptureState state) {
    const auto status = Must(around.vault.Change(CaptureOf(id), state));
    REQUIRE(one->captures.Apply(tenant, status).ok());
  }
  std::string Ready(v1::Purpose purpose = v1::PURPOSE_CHARGE) {
    const std::string id = Create(purpose);
    Must(Start(id));
    Keys(id, vault::v1::CAPTURE_STATE_COMPLETE);
    return id;
  }
  absl::StatusOr<v1::Payment> Pay(Replica& replica, const std::string& id, const Change& change) {
    v1::PayRequest request;
    request.set_session_id(id);
    request.set_wait_seconds(0);
    return replica.payments.Pay(change, request);
  }
  absl::StatusOr<v1::Session> Cancel(Replica& replica, const std::string& id) {
    v1::CancelSessionRequest request;
    request.set_session_id(id);
    return replica.sessions.Cancel(Next("Cancel"), request);
  }
  v1::Session Get(const std::string& id) {
    v1::GetSessionRequest request;
    request.set_session_id(id);
    return Must(two->sessions.Get(world(), request));
  }
  std::vector<v1::Event> Events(const std::string& id) {
    std::vector<v1::Event> events;
    REQUIRE(two->db->Read([&](storage::Transaction& tx) -> absl::Status {
      auto read = SessionEvents(tx, world(), id, 0, 200);
      if (read.ok()) events = *std::move(read);
      return read.status();
    }).ok());
    return events;
  }
  std::string Types(const std::string& id) {
    std::string types;
    for (const auto& event : Events(id)) types += (types.empty() ? "" : " ") + event.type();
    return types;
  }
  bool Pump() { return one->worker.ConsumeOutcomes(absl::ZeroDuration()).ok(); }

  Around around;
  std::unique_ptr<Replica> one, two;
  std::string tenant;
  v1::ApiKey last_key;
  int keys = 0;
};

}  // namespace flattone::session::testing
