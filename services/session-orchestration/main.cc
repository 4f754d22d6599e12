// Wires session-orchestration: database, domain, the two doors, the worker.
#include <atomic>
#include <memory>
#include <optional>

#include <grpcpp/grpcpp.h>

#include "libs/daemon/process.h"
#include "libs/rpc/credentials.h"
#include "libs/secret/arena.h"
#include "libs/storage/canary.h"
#include "libs/storage/database.h"
#include "libs/storage/migrate.h"
#include "services/session-orchestration/config.h"
#include "services/session-orchestration/fleet/survey.h"
#include "services/session-orchestration/grpc/admin_grpc_service.h"
#include "services/session-orchestration/grpc/dispatcher.h"
#include "services/session-orchestration/grpc/fleet_grpc_service.h"
#include "services/session-orchestration/grpc/platform_grpc_service.h"
#include "services/session-orchestration/grpc/session_grpc_service.h"
#include "services/session-orchestration/ports/grpc_ports.h"
#include "services/session-orchestration/rest_listener.h"
#include "services/session-orchestration/schema/schema.h"
#include "services/session-orchestration/replica/replica.h"
#include "services/session-orchestration/webhook_wiring.h"
#include "services/session-orchestration/worker/watcher.h"
#include "services/session-orchestration/worker/worker.h"

namespace flattone::session {
namespace {

constexpr absl::Duration kLastAnswers = absl::Seconds(1);  // before the deadline, for those who wait for a payment's outcome
constexpr int kReplaced = 3;  // exit status: another process has this replica's name

absl::StatusOr<std::unique_ptr<storage::Database>> OpenDatabase(const Config& config, const std::string& canary) {
  storage::Options options;
  options.sessions = config.database_sessions;
  auto db = storage::Database::Open(config.database, options);
  if (!db.ok()) return db.status();
  const absl::Status migrated = storage::Migrate(**db, Migrations());
  if (!migrated.ok()) return migrated;
  if (const absl::Status planted = storage::PlantCanary(**db, canary); !planted.ok()) return planted;
  return db;
}

// A successor with this replica's name: it has the leases, and two that do the same work help nobody.
absl::Status LookForSuccessor(daemon::Process& process, const Domain& domain, std::atomic<bool>& replaced) {
  const absl::Status mine = domain.db.Write([&](storage::Transaction& tx) { return StillReplica(tx, domain.replica); });
  if (mine.code() != absl::StatusCode::kAborted || replaced.exchange(true)) return mine;
  process.log().Error("replaced: this process ends", {{"replica", domain.replica}, {"status", mine}});
  daemon::Process::RequestStop();
  return mine;
}

void StartJobs(JobRunner& jobs, const Config& config, Worker& worker, Watcher& watcher, Survey& survey) {
  jobs.Every(absl::Seconds(2), "tend", [&] { return watcher.Tend(); });
  if (config.role == "api") return;
  jobs.Every(absl::Milliseconds(200), "close", [&] {
    const absl::Status undone = worker.UndoStarts();
    return undone.ok() ? worker.CloseCaptures() : undone;
  });
  jobs.Every(absl::Milliseconds(250), "operations", [&] { return worker.DriveOperations(); });
  jobs.Every(absl::ZeroDuration(), "outcomes", [&] { return worker.ConsumeOutcomes(absl::Seconds(1)); });
  jobs.Every(absl::Seconds(1), "expiry", [&] {
    const absl::Status ended = worker.EndExpired();
    return ended.ok() ? worker.DropLostRelays() : ended;
  });
  jobs.Every(absl::Seconds(5), "survey", [&] { return survey.Look(); });
  jobs.Every(absl::Minutes(1), "sweep", [&] { return worker.Sweep(); });
}

int Main(int argc, char** argv) {
  daemon::Process process({.name = "session-orchestration",
                           .about = "The session API: tenants, sessions, payments, events, webhooks. Never holds a card number.",
                           .grpc_port = 7005, .metrics_port = 9105, .public_port = 7443});
  Config config;
  config.Declare(process.flags());
  if (auto exit_code = process.Start(argc, argv)) return *exit_code;
  const auto fail = [&process](const absl::Status& status) {
    process.log().Error("cannot start", {{"status", status}});
    return 1;
  };
  if (auto locked = secret::Arena::Start(static_cast<size_t>(config.locked_bytes)); !locked.ok()) return fail(locked);
  auto gates = config.MakeGates();
  auto db = gates.ok() ? OpenDatabase(config, process.canary()) : absl::StatusOr<std::unique_ptr<storage::Database>>(gates.status());
  if (!db.ok()) return fail(db.status());
  // Without a name every start is a new owner, and former leases run out by themselves.
  auto replica = config.replica_id.empty() ? absl::StatusOr<std::string>(RandomId(process.random(), "orc"))
                                           : TakeReplica(**db, config.replica_id, process.clock().Now());
  if (!replica.ok()) return fail(replica.status());
  EventHub hub(**db, process.clock(), {});
  const auto dial = [&](const char* server) { return [&process, server](const std::string& address) { return process.Dial(address, server); }; };
  auto relays = MakeGrpcRelays(dial("media-relay"), process.random());
  auto vault = MakeGrpcVault(dial("tokenisation-vault"), config.vault_address, process.random());
  auto gateway = MakeGrpcGateway(dial("gateway-adapter"), config.adapter_address, process.random());
  const Domain domain{**db, process.clock(), process.random(), *relays, *vault, *gateway, hub, **gates,
                      *replica, config.session_timeout};

  PaymentMeters meters(process.metrics());
  SessionService sessions(domain);
  PaymentService payments(domain, meters, process.log());
  Watcher* watching = nullptr;
  CaptureService captures(domain, [&](const CaptureRow& capture) { if (watching != nullptr) watching->Follow(capture); });
  Watcher watcher(domain, captures, process.log(), 4, 2000);
  watching = &watcher;
  Fleet fleet(domain);
  PlatformStore platforms(process.clock(), process.random());
  AdminStore admin(**db, process.clock(), process.random());
  auto hooks = Webhooks::Make(config, {**db, process.clock(), process.random(), **gates, process.metrics(), domain.replica});
  if (!hooks.ok()) return fail(hooks.status());
  WebhookApi* webhooks = (*hooks)->api();
  SessionDispatcher dispatcher({domain, sessions, captures, payments, platforms, webhooks, process.metrics(), process.log()});
  SessionGrpcService session_door(dispatcher, process.random(), config.max_grpc_streams);
  PlatformGrpcService platform_door(dispatcher, process.random());
  FleetGrpcService fleet_door(fleet);
  AdminGrpcService admin_door({domain, admin, sessions, payments, webhooks});
  Worker worker(domain, captures, payments, fleet);
  Survey survey(domain, process.metrics());
  std::optional<JobRunner> jobs(std::in_place, process.log(), process.metrics());
  const obs::GaugeFunction following(process.metrics(), "flattone_session_captures_watched", "Captures that this replica watches",
                                     [&] { return static_cast<double>(watcher.following()); });
  const obs::GaugeFunction waiting(process.metrics(), "flattone_session_event_waiters", "Streams and calls that wait for events",
                                   [&] { return static_cast<double>(hub.waiting()); });

  process.Add<v1::FleetService>(&fleet_door);
  process.Add<v1::SessionAdminService>(&admin_door);
  if (config.role != "worker") {
    process.AddPublic<v1::SessionService>(&session_door);
    process.AddPublic<v1::PlatformService>(&platform_door);
  }
  std::unique_ptr<RestListener> rest;
  std::atomic<bool> replaced{false};
  const int code = process.Run({.started = [&]() -> absl::Status {
                        if (config.role != "worker") {
                          auto listener = RestListener::Start(config.rest_address, process.public_tls(), dispatcher, process.random(), process.metrics());
                          if (!listener.ok()) return listener.status();
                          rest = std::move(*listener);
                          process.Announce("rest", rest->port());
                          jobs->Every(absl::Seconds(rpc::kRefreshSeconds), "certificate", [&] { return rest->RefreshTls(); });
                        }
                        jobs->Every(absl::Seconds(1), "successor", [&] { return LookForSuccessor(process, domain, replaced); });
                        StartJobs(*jobs, config, worker, watcher, survey);
                        (*hooks)->Start();
                        return absl::OkStatus();
                      },
                      .drain = [&](absl::Time deadline) {
                        session_door.EndStreams();
                        payments.EndWaits(deadline - kLastAnswers);
                        if (rest) rest->Drain(deadline - process.clock().Now());
                      },
                      .stop = [&] {
                        jobs->Stop();
                        (*hooks)->Stop();
                        rest.reset();
                      }});
  return replaced ? kReplaced : code;
}

}  // namespace
}  // namespace flattone::session

int main(int argc, char** argv) { return flattone::session::Main(argc, argv); }
