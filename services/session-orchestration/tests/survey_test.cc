// The gauges over the database: relays one by one within a bound, what waits and for how long.
#include "services/session-orchestration/fleet/survey.h"

#include "services/session-orchestration/tests/fixture.h"
#include "services/session-orchestration/webhook/delivery_store.h"

namespace flattone::session {
namespace {

using namespace flattone::session::testing;
using storage::testing::Backend;
using storage::testing::Backends;

struct Surveyed : Fixture {
  explicit Surveyed(Backend backend) : Fixture(backend), survey(one->domain, registry) {}
  double Of(const char* name, const obs::Labels& labels = {}) {
    REQUIRE(survey.Look().ok());
    return registry.Value(name, labels);
  }
  void Relay(const std::string& id, uint32_t calls, v1::RelayState state = v1::RELAY_STATE_READY, const std::string& instance = {}) {
    v1::RegisterRelayRequest relay;
    relay.set_relay_id(id);
    relay.set_grpc_address("relay:7001");
    relay.set_state(state);
    relay.set_instance_id(instance);
    relay.mutable_load()->set_calls(calls);
    relay.mutable_load()->set_call_capacity(100);
    Must(one->fleet.Register(relay));
  }
  obs::Registry registry;
  Survey survey;
};

TEST_CASE("each relay shows calls, capacity and the age of its lease; a silent one counts as lost, a dropped one as none") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Surveyed f(backend);
  f.Relay("rly_1", 7);
  f.Relay("rly_2", 3, v1::RELAY_STATE_DRAINING);
  CHECK(f.Of("flattone_session_relay_calls", {{"relay", "rly_1"}}) == 7);
  CHECK(f.Of("flattone_session_relay_call_capacity", {{"relay", "rly_2"}}) == 100);
  CHECK(f.Of("flattone_session_relays", {{"state", "ready"}}) == 1);
  CHECK(f.Of("flattone_session_relays", {{"state", "draining"}}) == 1);
  CHECK(f.Of("flattone_session_relay_lease_age_seconds", {{"relay", "rly_1"}}) == 0);
  f.around.clock.Advance(absl::Seconds(10));
  CHECK(f.Of("flattone_session_relay_lease_age_seconds", {{"relay", "rly_1"}}) == 10);
  f.around.clock.Advance(absl::Seconds(10));
  CHECK(f.Of("flattone_session_relays", {{"state", "lost"}}) == 2);
  f.around.clock.Advance(kRelayLease + kRelayGrace);
  REQUIRE(f.one->fleet.DropLost(true).ok());
  CHECK(f.Of("flattone_session_relays", {{"state", "lost"}}) == 0);
  CHECK(f.registry.Text().find("relay=\"rly_1\"") == std::string::npos);
  f.Relay("rly_1", 2);
  CHECK(f.Of("flattone_session_relay_calls", {{"relay", "rly_1"}}) == 2);
}

TEST_CASE("a relay that has restarted is one relay: its former life is neither lost nor a series") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Surveyed f(backend);
  f.Relay("rly_1", 7, v1::RELAY_STATE_READY, "first");
  f.Relay("rly_1", 1, v1::RELAY_STATE_READY, "second");
  CHECK(f.Of("flattone_session_relays", {{"state", "lost"}}) == 0);
  CHECK(f.Of("flattone_session_relays", {{"state", "ready"}}) == 1);
  CHECK(f.Of("flattone_session_relay_calls", {{"relay", "rly_1"}}) == 1);
  CHECK(f.registry.Text().find("rly_1#") == std::string::npos);
}

TEST_CASE("however many relays there were, the series are bounded and nothing is left out of the sum") {
  Surveyed f(Backend::kSqlite);
  for (int i = 0; i < 200; ++i) f.Relay("relay-" + std::to_string(1000 + i), 1);
  REQUIRE(f.survey.Look().ok());
  const std::string text = f.registry.Text();
  size_t series = 0;
  double sum = 0;
  for (size_t at = text.find("\nflattone_session_relay_calls{"); at != std::string::npos; at = text.find("\nflattone_session_relay_calls{", at + 1)) {
    ++series;
    sum += std::stod(text.substr(text.find("} ", at) + 2));
  }
  CHECK(series <= kRelaysShown);
  CHECK(sum == 200);
  CHECK(f.registry.Value("flattone_session_relay_calls", {{"relay", "other"}}) > 100);
}

TEST_CASE("relays that come later have series of their own, and those that go make room for others") {
  Surveyed f(Backend::kSqlite);
  const auto relays = [&](int from, int to) {
    for (int i = from; i < to; ++i) f.Relay("relay-" + std::to_string(1000 + i), 1);
    REQUIRE(f.survey.Look().ok());
  };
  const auto shown = [&](int i) { return f.registry.Value("flattone_session_relay_calls", {{"relay", "relay-" + std::to_string(1000 + i)}}) == 1; };
  relays(0, 40);
  relays(40, 50);
  CHECK(shown(0));
  CHECK(shown(49));
  CHECK(f.registry.Text().find("relay=\"other\"") == std::string::npos);
  f.around.clock.Advance(kRelayLease + kRelayGrace + absl::Seconds(1));
  relays(100, 160);
  for (int i = 0; i < 10; ++i) REQUIRE(f.one->fleet.DropLost(true).ok());
  relays(160, 161);
  CHECK(shown(100));
  CHECK(shown(160));
  CHECK(f.registry.Text().find("relay=\"other\"") == std::string::npos);
}

TEST_CASE("waiting webhooks, given up endpoints and unknown payments are counted with their age") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Surveyed f(backend);
  CHECK(f.Of("flattone_session_webhooks_pending") == 0);
  REQUIRE(f.one->db->Write([&](storage::Transaction& tx) -> absl::Status {
    for (const std::string id : {"whe_1", "whe_2"}) {
      FT_TRY(tx.Execute("INSERT INTO webhook_endpoint VALUES ($1, $2, 1, 'https://x', '', '', 0, '', 0, $3, $4, 0, $5, '', 0, 0, 1)",
                        {id, f.tenant, storage::Blob{"s"}, storage::Blob{""}, storage::Blob{"k"}}).status());
    }
    FT_TRY(tx.Execute("INSERT INTO event VALUES ($1, 1, 1000, 'evt_1', '', 0, 'payment.captured', 1, $2)", {f.tenant, storage::Blob{"body"}}).status());
    return EnqueueDeliveries(tx, f.around.random, {"evt_1", "payment.captured", f.tenant, 1, absl::ToUnixMicros(f.around.clock.Now())});
  }).ok());
  f.around.clock.Advance(absl::Seconds(30));
  CHECK(f.Of("flattone_session_webhooks_pending") == 2);
  CHECK(f.Of("flattone_session_webhook_oldest_due_seconds") == 30);
  REQUIRE(f.one->db->Write([&](storage::Transaction& tx) { return DisableEndpoint(tx, f.tenant, "whe_1", "gone"); }).ok());
  CHECK(f.Of("flattone_session_webhooks_pending") == 1);
  CHECK(f.Of("flattone_session_webhook_endpoints_given_up") == 1);
  f.Relay("rly_1", 0);
  const std::string id = f.Ready();
  f.around.gateway.script.set_outcome(gateway::v1::OUTCOME_UNKNOWN);
  Must(f.Pay(*f.one, id, f.Next("Pay")));
  f.around.clock.Advance(absl::Seconds(60));
  CHECK(f.Of("flattone_session_payments_unknown") == 1);
  CHECK(f.Of("flattone_session_payment_unknown_oldest_seconds") == 60);
}

}  // namespace
}  // namespace flattone::session
