// However a capture ends, the vault that holds its digits is told, until it has heard.
#include "services/session-orchestration/tests/fixture.h"

namespace flattone::session {
namespace {

using namespace flattone::session::testing;
using storage::testing::Backend;
using storage::testing::Backends;

struct Wiping : Fixture {
  using Fixture::Fixture;
  // The captures of which the vault was told to wipe what it holds, after a round of the worker.
  std::vector<std::string> Told() {
    v1::RenewRelayLeaseRequest renew;
    renew.set_relay_id("rly_1");
    around.clock.Advance(absl::Seconds(12));
    Must(one->fleet.Renew(renew));
    CHECK(two->worker.CloseCaptures().ok());
    return around.vault.cancelled;
  }
  void End(const std::string& id) {
    v1::EndSessionRequest end;
    end.set_session_id(id);
    Must(one->sessions.End(Next("End"), end));
  }
  void HangUp() {
    v1::ReportCallsRequest reports;
    reports.set_relay_id("rly_1");
    auto* ended = reports.add_reports();
    ended->set_report_id("r-hang-up");
    ended->set_kind(v1::CALL_REPORT_KIND_ENDED);
    ended->set_tenant_id(tenant);
    ended->set_call_reference("call-1");
    Must(one->fleet.Report(reports));
  }
};

TEST_CASE("cancel, end, hang-up and time-out: the vault is told to wipe that capture, half typed or ready, and once") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  const bool ready = GENERATE(false, true);
  CAPTURE(ready);
  Wiping f(backend);
  const std::string other = f.Create();  // of the same call, never started: nothing is said of it
  const std::string id = f.Create();
  Must(f.Start(id));
  f.Keys(id, ready ? vault::v1::CAPTURE_STATE_COMPLETE : vault::v1::CAPTURE_STATE_COLLECTING);
  const std::vector<std::string> mine = {f.CaptureOf(id)};
  REQUIRE(f.Told().empty());
  SECTION("cancel") { Must(f.Cancel(*f.one, id)); }
  SECTION("end") { f.End(id); }
  SECTION("hang-up") { f.HangUp(); }
  SECTION("the capture's time is over") { f.Keys(id, vault::v1::CAPTURE_STATE_EXPIRED); }
  SECTION("the cards to try are used up") { f.Keys(id, vault::v1::CAPTURE_STATE_FAILED); }
  SECTION("the session's time is over") {
    f.around.clock.Advance(absl::Hours(4) + absl::Seconds(1));
    CHECK(f.one->worker.EndExpired().ok());
  }
  SECTION("the capture is started anew") {
    if (ready) Must(f.Start(id));
    else Must(f.Cancel(*f.two, id));
  }
  CHECK(f.Told() == mine);
  CHECK(f.Told() == mine);
}

TEST_CASE("a vault that does not answer is told again until it has heard") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Wiping f(backend);
  const std::string id = f.Create();
  Must(f.Start(id));
  const std::vector<std::string> mine = {f.CaptureOf(id)};
  f.around.vault.cancel_error = absl::UnavailableError("away");
  Must(f.Cancel(*f.one, id));
  for (int round = 0; round < 5; ++round) CHECK(f.Told().empty());
  f.around.vault.cancel_error = absl::OkStatus();
  CHECK(f.Told() == mine);
  CHECK(f.Told() == mine);
}

TEST_CASE("who wipes the code of a card that was tokenised: the adapter when it took the payment, else the vault is told") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Wiping f(backend);
  const bool token_only = GENERATE(false, true);
  CAPTURE(token_only);
  const std::string id = f.Ready(token_only ? v1::PURPOSE_TOKENISE : v1::PURPOSE_CHARGE);
  const std::vector<std::string> mine = {f.CaptureOf(id)};
  if (token_only) {
    REQUIRE(Must(f.Pay(*f.one, id, f.Next("Pay"))).state() == v1::PAYMENT_STATE_TOKENISED);
    CHECK(f.Told() == mine);
    return;
  }
  SECTION("approved") {
    REQUIRE(Must(f.Pay(*f.one, id, f.Next("Pay"))).state() == v1::PAYMENT_STATE_CAPTURED);
    CHECK(f.Told().empty());
  }
  SECTION("refused by the adapter for good") {
    f.around.gateway.error = Refuse(absl::StatusCode::kFailedPrecondition, "no_psp_account", "no account");
    REQUIRE(Must(f.Pay(*f.one, id, f.Next("Pay"))).state() == v1::PAYMENT_STATE_FAILED);
    CHECK(f.Told() == mine);
  }
  SECTION("cancelled while the adapter was away, then refused by it") {
    f.around.gateway.error = absl::UnavailableError("away");
    REQUIRE(Must(f.Pay(*f.one, id, f.Next("Pay"))).state() == v1::PAYMENT_STATE_PROCESSING);
    Must(f.Cancel(*f.two, id));
    f.around.gateway.error = Refuse(absl::StatusCode::kFailedPrecondition, "payment_cancelled", "cancelled");
    f.around.clock.Advance(absl::Minutes(1));
    (void)f.two->worker.DriveOperations();
    REQUIRE(f.Get(id).state() == v1::SESSION_STATE_ENDED);
    CHECK(f.Told() == mine);
  }
}

}  // namespace
}  // namespace flattone::session
