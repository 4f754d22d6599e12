// The relay's line to the orchestrator: registers by a lease and renews it, learns the edges' allow-lists, and
// reports calls, at least once and in order. The relay goes on working while nobody answers.
// One thread of its own; Report may be called from any.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "flattone/session/v1/fleet.grpc.pb.h"
#include "services/media-relay/call/call_table.h"

namespace flattone::relay {

struct FleetOptions {
  std::string relay_id;
  std::string grpc_address;  // as the orchestrator dials it
  std::vector<std::string> media_addresses;
  size_t report_capacity = 10'000;  // kept while the orchestrator is away; then the oldest are dropped and counted
};

class FleetMeters {
 public:
  explicit FleetMeters(obs::Registry& registry);
  obs::Counter renewals, renewal_failures, reports, reports_dropped, report_failures;
  obs::Gauge reports_waiting, lease_held;
};

class FleetClient {
 public:
  struct Load {
    uint32_t calls = 0, capacity = 0, ports_free = 0, captures = 0;
    bool draining = false;
  };
  FleetClient(const FleetOptions& options, std::shared_ptr<grpc::Channel> channel, EdgeDirectory& edges,
              std::function<Load()> load, const Clock& clock, Random& random, FleetMeters& meters, obs::Logger& log);
  ~FleetClient();

  void Start();
  // Sends what is waiting, for at most this long, and ends the thread; a call that is still under way then is cancelled.
  void Stop(absl::Duration limit);
  void Report(const CallEvent& event);
  // Renews at once: the state has changed.
  void Poke();

 private:
  void Loop();
  bool Renew();
  void TakeLease(const flattone::session::v1::RelayLease& lease);
  bool SendReports();
  // One RPC, which Stop() can cut short.
  grpc::Status Ask(absl::Duration timeout, const std::function<grpc::Status(grpc::ClientContext&)>& rpc);

  const FleetOptions options_;
  const std::string instance_id_;  // tells a restarted relay from one that registers again
  std::unique_ptr<flattone::session::v1::FleetService::Stub> stub_;
  EdgeDirectory& edges_;
  std::function<Load()> load_;
  const Clock& clock_;
  Random& random_;
  FleetMeters& meters_;
  obs::Logger& log_;

  std::mutex mutex_;
  std::condition_variable changed_, ended_;
  std::deque<flattone::session::v1::CallReport> reports_;
  bool poked_ = false;
  bool stopping_ = false;
  bool thread_ended_ = false;
  grpc::ClientContext* under_way_ = nullptr;
  absl::Time stop_by_ = absl::InfiniteFuture();
  bool registered_ = false;
  int64_t next_renewal_ = 0;
  std::thread thread_;
};

}  // namespace flattone::relay
