// What every service's process shares, so that its main.cc only wires:
//
//   int main(int argc, char** argv) {
//     daemon::Process process({.name = "tokenisation-vault", .about = "…", .grpc_port = 7003,
//                              .harden = &secret::HardenCardZone});
//     Config config;
//     config.Declare(process.flags());
//     if (auto exit_code = process.Start(argc, argv)) return *exit_code;   // --help, --version, a config error
//     CaptureGrpcService captures(…, process.clock(), process.random(), process.metrics(), process.log());
//     process.Add<vault::v1::CaptureService>(&captures);
//     return process.Run({.started = […] { … }, .drain = […](absl::Time deadline) { … }, .stop = […] { … }});
//   }
//
// The process gives: flags, environment and file (flags.h); JSON logs on standard error or --log-file; metrics on
// their own port; an internal gRPC server (mTLS, identity table, health, reflection) and, when asked for, a public
// one (server TLS) on a port of its own; SIGTERM and SIGINT that drain within --shutdown-deadline.
// Liveness is health of "": SERVING while the process works, nothing about its neighbours. Readiness ("takes
// new work") is health of "ready" and of each service's name, and the metric flattone_process_ready.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/daemon/flags.h"
#include "libs/obs/log.h"
#include "libs/obs/metrics.h"
#include "libs/rpc/tls_files.h"

namespace grpc {
class Channel;
class ServerBuilder;
class Service;
}  // namespace grpc

namespace flattone::daemon {

struct ProcessSpec {
  std::string name;       // the identity too: "media-relay"
  std::string about;      // for --help
  int grpc_port = 0;      // default port of the internal server
  int metrics_port = 0;   // default port of /metrics
  int public_port = -1;   // default port of the public gRPC server; -1: this service has none
  absl::Duration shutdown_deadline = absl::Seconds(20);  // default; longer where work may not be cut short
  // Work of this process is late within milliseconds: it asks to run in real time (SCHED_RR) with this priority, unless
  // --realtime-priority says otherwise. 0: like others, and no flag.
  int realtime_priority = 0;
  // secret::HardenCardZone in the card zone; runs in the constructor, before any thread or secret exists.
  absl::Status (*harden)() = nullptr;
};

struct Hooks {
  // Servers are bound and answering, ports are known; readiness is not announced yet. An error ends the process,
  // by way of `drain` and `stop`.
  std::function<absl::Status()> started;
  // SIGTERM came and readiness is off: finish or hand over work, end streams, return before `deadline`.
  std::function<void(absl::Time deadline)> drain;
  // The servers are shut down: stop threads and completion queues. Nothing is called after it.
  std::function<void()> stop;
};

class Process {
 public:
  // First thing in main(), before any thread: blocks SIGTERM and SIGINT for all threads to come.
  explicit Process(ProcessSpec spec);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  Flags& flags();
  // Reads the configuration, checks the certificates, starts log and metrics. An exit code when the process is to
  // end now (what and why was printed).
  std::optional<int> Start(int argc, const char* const* argv);

  // After Start().
  const Clock& clock() const;
  Random& random() const;
  obs::Registry& metrics();
  obs::Logger& log();
  const std::string& trust_domain() const;
  const rpc::TlsFiles& tls() const;         // this process's own identity
  const rpc::TlsFiles& public_tls() const;  // server certificate of the public listeners (gRPC, REST); no ca
  // --canary: digits that a leak scan must find in this process's memory, log and database (storage::PlantCanary);
  // empty outside tests and the demo.
  const std::string& canary() const;
  // A channel to the service `server` ("tokenisation-vault") at `address`; connects when first used.
  std::shared_ptr<grpc::Channel> Dial(const std::string& address, std::string_view server) const;

  // Before Run(). The services must outlive it.
  template <typename Contract>
  void Add(grpc::Service* service) { AddNamed(service, Contract::service_full_name()); }
  template <typename Contract>
  void AddPublic(grpc::Service* service) { AddPublicNamed(service, Contract::service_full_name()); }
  // Last word on the internal server's builder: completion queues, limits.
  void OnBuild(std::function<void(grpc::ServerBuilder&)> configure);

  // After the servers are bound (in Hooks::started or later).
  int grpc_port() const;
  int public_port() const;
  int metrics_port() const;
  // A further port (or any number) for the ready line: {"ports": {"rest": 7443}}. In Hooks::started.
  void Announce(std::string name, int port);
  // "Takes new work". True from the end of Hooks::started until SIGTERM; a service may change it meanwhile.
  void SetReady(bool ready);

  // Serves until SIGTERM or SIGINT; returns the exit code: 0 after a drain, 1 when it could not start.
  int Run(const Hooks& hooks = {});
  // As if SIGTERM had come. Any thread.
  static void RequestStop();

 private:
  void AddNamed(grpc::Service* service, std::string name);
  void AddPublicNamed(grpc::Service* service, std::string name);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flattone::daemon
