// What relays report of their calls, and what it does to sessions.
#include <set>

#include "services/session-orchestration/tests/fixture.h"

namespace flattone::session {
namespace {

using namespace flattone::session::testing;
using storage::testing::Backend;
using storage::testing::Backends;

TEST_CASE("a call that ends takes its session along; an open payment goes on first") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  const std::string id = f.Create();
  Must(f.Start(id));
  v1::ReportCallsRequest reports;
  reports.set_relay_id("rly_1");
  auto* ended = reports.add_reports();
  ended->set_report_id("r1");
  ended->set_kind(v1::CALL_REPORT_KIND_ENDED);
  ended->set_tenant_id(f.tenant);
  ended->set_call_reference("call-1");
  Must(f.two->fleet.Report(reports));
  Must(f.one->fleet.Report(reports));
  CHECK(f.Get(id).end_reason() == "hang_up");
  CHECK(f.Types(id) == "session.created session.capture_started session.ended");

  f.around.gateway.script.set_outcome(gateway::v1::OUTCOME_UNKNOWN);
  const std::string paying = f.Ready();
  const std::string payment = Must(f.Pay(*f.one, paying, f.Next("Pay"))).id();
  ended->set_report_id("r2");
  Must(f.one->fleet.Report(reports));
  CHECK(f.Get(paying).state() == v1::SESSION_STATE_PROCESSING);
  f.around.gateway.Resolve(payment, gateway::v1::OUTCOME_ANSWERED, gateway::v1::ANSWER_APPROVED);
  CHECK(f.Pump());
  CHECK(f.Get(paying).end_reason() == "hang_up");
  CHECK(f.Get(paying).payments(0).state() == v1::PAYMENT_STATE_CAPTURED);  // a hang-up voids nothing
  CHECK(f.Events(paying).back().type() == "session.ended");
}

TEST_CASE("the late end of an earlier call under the same reference ends nothing of the call that runs now") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  int reports = 0;
  const auto report = [&](v1::CallReportKind kind, const std::string& call) {
    v1::ReportCallsRequest request;
    request.set_relay_id("rly_1");
    auto* one = request.add_reports();
    one->set_report_id("r" + std::to_string(++reports));
    one->set_kind(kind);
    one->set_tenant_id(f.tenant);
    one->set_call_reference("call-1");
    one->set_call_id(call);
    Must(f.one->fleet.Report(request));
  };
  report(v1::CALL_REPORT_KIND_STARTED, "call_old");
  report(v1::CALL_REPORT_KIND_STARTED, "call_new");
  const std::string id = f.Create();
  Must(f.Start(id));
  report(v1::CALL_REPORT_KIND_ENDED, "call_old");
  CHECK(f.Get(id).state() == v1::SESSION_STATE_CAPTURING);
  report(v1::CALL_REPORT_KIND_ENDED, "call_new");
  CHECK(f.Get(id).end_reason() == "hang_up");
}

TEST_CASE("a relay that comes back as another process has lost its calls; one that registers again has not") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  v1::RegisterRelayRequest relay;
  relay.set_relay_id("rly_2");
  relay.set_grpc_address("relay:7001");
  relay.set_instance_id("run_a");
  Must(f.one->fleet.Register(relay));
  v1::ReportCallsRequest reports;
  reports.set_relay_id("rly_2");
  auto* started = reports.add_reports();
  started->set_report_id("r1");
  started->set_kind(v1::CALL_REPORT_KIND_STARTED);
  started->set_tenant_id(f.tenant);
  started->set_call_reference("call-1");
  started->set_call_id("call_x");
  Must(f.one->fleet.Report(reports));
  const std::string id = f.Create();
  Must(f.Start(id));
  Must(f.one->fleet.Register(relay));
  CHECK(f.two->worker.DropLostRelays().ok());
  CHECK(f.Get(id).state() == v1::SESSION_STATE_CAPTURING);
  relay.set_instance_id("run_b");
  Must(f.one->fleet.Register(relay));
  CHECK(f.two->worker.DropLostRelays().ok());
  CHECK(f.Get(id).end_reason() == "hang_up");
  CHECK(f.Types(id) == "session.created session.capture_started session.ended");
  v1::RenewRelayLeaseRequest renew;
  renew.set_relay_id("rly_2");
  CHECK(f.one->fleet.Renew(renew).ok());  // itself it is there
}

TEST_CASE("relays are listed in pages by their id, whatever it is made of") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  v1::RegisterRelayRequest relay;
  relay.set_grpc_address("relay:7001");
  for (const char* id : {"HOST-7#4711", "rly:2/a", "rly~9"}) {
    relay.set_relay_id(id);
    Must(f.one->fleet.Register(relay));
  }
  std::set<std::string> seen;
  v1::ListRelaysRequest list;
  list.set_page_size(1);
  int pages = 0;
  do {
    const auto page = Must(f.two->admin.ListRelays(list));
    REQUIRE(page.relays_size() == 1);
    CHECK(seen.insert(page.relays(0).relay_id()).second);
    CHECK(!page.relays(0).lease_until().empty());
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty() && ++pages < 10);
  CHECK(seen == std::set<std::string>{"HOST-7#4711", "rly:2/a", "rly_1", "rly~9"});
}

}  // namespace
}  // namespace flattone::session
