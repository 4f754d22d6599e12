// The relay's line to an orchestrator that is well, away, or silent.
#include "services/media-relay/control/fleet_client.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libs/testing/catch.h"

namespace flattone::relay {
namespace {
namespace session = flattone::session::v1;

class FakeOrchestrator final : public session::FleetService::Service {
 public:
  FakeOrchestrator() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeOrchestrator() override {
    silent = false;
    server_->Shutdown(std::chrono::system_clock::time_point());
  }
  std::shared_ptr<grpc::Channel> Channel() {
    return grpc::CreateChannel("127.0.0.1:" + std::to_string(port_), grpc::InsecureChannelCredentials());
  }
  grpc::Status RegisterRelay(grpc::ServerContext*, const session::RegisterRelayRequest* request, session::RelayLease* lease) override {
    ++registered;
    instance = request->instance_id();
    lease->set_lease_seconds(30);
    lease->set_edges_included(true);
    lease->set_edges_revision(7);
    auto* edge = lease->add_edges();
    edge->set_edge_id("one");
    edge->add_tenant_ids("ten_a");
    edge = lease->add_edges();
    edge->set_edge_id("two");
    edge->add_tenant_ids("ten_a");
    edge->set_offering_side(flattone::media::v1::SIDE_AGENT);
    return grpc::Status::OK;
  }
  grpc::Status RenewRelayLease(grpc::ServerContext*, const session::RenewRelayLeaseRequest*, session::RelayLease* lease) override {
    lease->set_lease_seconds(30);
    return grpc::Status::OK;
  }
  grpc::Status ReportCalls(grpc::ServerContext* context, const session::ReportCallsRequest* request, session::ReportCallsResponse*) override {
    ++asked;
    {
      std::unique_lock lock(mutex);
      while (silent && !context->IsCancelled()) changed.wait_for(lock, std::chrono::milliseconds(5));
    }
    if (away) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "away");
    const std::lock_guard lock(mutex);
    for (const session::CallReport& report : request->reports()) calls.push_back(report.call_id());
    changed.notify_all();
    return grpc::Status::OK;
  }
  size_t Reports() {
    const std::lock_guard lock(mutex);
    return calls.size();
  }

  std::atomic<bool> silent{false}, away{false};
  std::atomic<int> registered{0}, asked{0};
  std::string instance;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> calls;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

struct Rig {
  explicit Rig(size_t capacity = 100)
      : client({.relay_id = "rly", .grpc_address = "127.0.0.1:1", .media_addresses = {}, .report_capacity = capacity},
               orchestrator.Channel(), edges, [] { return FleetClient::Load{}; }, SystemClock(), SystemRandom(), meters, log) {}
  void Report(const std::string& call) {
    CallEvent event;
    event.call.call_id = call;
    client.Report(event);
  }
  template <typename Condition>
  bool Until(Condition condition) {
    for (int i = 0; i < 2000 && !condition(); ++i) {
      std::unique_lock lock(orchestrator.mutex);
      orchestrator.changed.wait_for(lock, std::chrono::milliseconds(5));
    }
    return condition();
  }
  obs::Registry registry;
  obs::Logger log{{.service = "media-relay"}, SystemClock(), registry, [](std::string_view) {}};
  FleetMeters meters{registry};
  EdgeDirectory edges;
  FakeOrchestrator orchestrator;
  FleetClient client;
};

TEST_CASE("A relay registers, learns its edges, and reports in order, once each") {
  Rig rig;
  rig.client.Start();
  for (const char* call : {"a", "b", "c"}) rig.Report(call);
  CHECK(rig.Until([&] { return rig.orchestrator.Reports() == 3; }));
  CHECK(rig.Until([&] { return rig.edges.revision() == 7; }));
  CHECK(rig.edges.Check("one", "ten_a").value_or(Side::kAgent) == Side::kCaller);  // where the operator says nothing
  CHECK(rig.edges.Check("two", "ten_a").value_or(Side::kCaller) == Side::kAgent);
  rig.client.Stop(absl::Seconds(1));
  CHECK(rig.orchestrator.calls == std::vector<std::string>{"a", "b", "c"});
  CHECK(rig.orchestrator.registered == 1);
  CHECK(rig.registry.Value("flattone_relay_waiting_reports") == 0);
}

TEST_CASE("While nobody takes them reports wait; beyond the capacity the oldest go, and are counted") {
  Rig rig(3);
  rig.orchestrator.away = true;
  for (const char* call : {"a", "b", "c", "d", "e"}) rig.Report(call);
  rig.client.Start();
  CHECK(rig.Until([&] { return rig.orchestrator.asked > 0; }));
  rig.orchestrator.away = false;
  CHECK(rig.Until([&] { return rig.orchestrator.Reports() == 3; }));
  rig.client.Stop(absl::Seconds(1));
  CHECK(rig.orchestrator.calls == std::vector<std::string>{"c", "d", "e"});
  CHECK(rig.registry.Value("flattone_relay_dropped_reports_total") == 2);
  CHECK(rig.registry.Value("flattone_relay_report_failures_total") >= 1);
}

TEST_CASE("An orchestrator that does not answer keeps a relay that ends no longer than its limit") {
  Rig rig;
  rig.orchestrator.silent = true;
  rig.client.Start();
  rig.Report("a");
  REQUIRE(rig.Until([&] { return rig.orchestrator.asked > 0; }));
  const auto begin = std::chrono::steady_clock::now();
  rig.client.Stop(absl::Milliseconds(200));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));  // its own limit of one call is five
  CHECK(rig.registry.Value("flattone_relay_waiting_reports") == 1);
}

}  // namespace
}  // namespace flattone::relay
