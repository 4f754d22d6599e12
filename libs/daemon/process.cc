#include "libs/daemon/process.h"

#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/error.h"
#include "libs/daemon/self.h"
#include "libs/daemon/servers.h"
#include "libs/obs/exposer.h"
#include "libs/rpc/access.h"
#include "libs/rpc/credentials.h"
#include "libs/rpc/identity.h"

#ifndef FLATTONE_VERSION
#define FLATTONE_VERSION "0"
#endif

namespace flattone::daemon {
namespace {

constexpr absl::Duration kGrace = absl::Seconds(2);  // beyond the deadline, before the process ends the hard way
constexpr int kPublicMessageBytes = 1 << 20;

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

std::string Loopback(int port) { return absl::StrCat("127.0.0.1:", port); }

// Stopping civetweb's threads takes two seconds (its poll interval). The process is about to end and the exposer
// holds nothing of it but a weak reference to the metrics, so it is left running instead.
void RetireExposer(std::unique_ptr<obs::Exposer> exposer) {
  static auto* retired = new std::vector<std::unique_ptr<obs::Exposer>>();
  if (exposer) retired->push_back(std::move(exposer));
}

std::unique_ptr<obs::GaugeFunction> CertificateEnd(obs::Registry& registry, const std::string& path, const obs::Labels& labels) {
  return std::make_unique<obs::GaugeFunction>(
      registry, "flattone_tls_certificate_end_seconds", "Unix time at which a certificate of this process ends; 0: cannot be read",
      [path] {
        const auto end = rpc::ExpiryOf(path);
        return end.ok() ? static_cast<double>(absl::ToUnixSeconds(*end)) : 0.0;
      },
      labels);
}

// Ends the process when a drain does not come to an end by itself.
class Watchdog {
 public:
  Watchdog(absl::Duration after, obs::Logger& log)
      : thread_([this, after, &log] {
          std::unique_lock lock(mutex_);
          if (done_.wait_for(lock, absl::ToChronoMilliseconds(after), [this] { return finished_; })) return;
          log.Error("shutdown deadline passed: ending with work unfinished");
          log.Flush();
          _exit(3);
        }) {}
  ~Watchdog() {
    {
      std::lock_guard lock(mutex_);
      finished_ = true;
    }
    done_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  bool finished_ = false;
  std::thread thread_;
};

}  // namespace

struct Process::Impl {
  explicit Impl(ProcessSpec s)
      : spec(std::move(s)), flags(spec.name, spec.about, FLATTONE_VERSION), grpc_address(Loopback(spec.grpc_port)),
        metrics_address(Loopback(spec.metrics_port)), public_address(spec.public_port >= 0 ? Loopback(spec.public_port) : ""),
        shutdown_deadline(spec.shutdown_deadline), realtime_priority(spec.realtime_priority) {}

  void DeclareFlags();
  absl::Status CheckFiles() const;
  void GoBeforeOthers();
  absl::Status Serve();
  void Announce() const;
  void Drain(const Hooks& hooks);

  ProcessSpec spec;
  Flags flags;
  std::string grpc_address, metrics_address, public_address;
  rpc::TlsFiles tls, public_tls;
  std::string trust_domain{rpc::kDefaultTrustDomain};
  std::string log_level = "info", log_file, ready_file;
  std::string canary;
  absl::Duration shutdown_deadline;
  int realtime_priority;

  obs::Registry registry;
  std::unique_ptr<obs::Logger> log;
  std::unique_ptr<SelfMetrics> self;
  std::unique_ptr<obs::GaugeFunction> certificate_end, public_certificate_end;
  std::unique_ptr<obs::Gauge> ready;
  std::unique_ptr<obs::Exposer> exposer;
  std::vector<NamedService> services, public_services;
  std::function<void(grpc::ServerBuilder&)> configure;
  std::unique_ptr<Server> internal, external;
  std::map<std::string, int> extra_ports;
};

void Process::Impl::DeclareFlags() {
  flags.Group("Process");
  flags.Address("grpc-address", &grpc_address, "where other services reach this one (mutual TLS); port 0: any free port");
  if (spec.public_port >= 0) {
    flags.Address("public-grpc-address", &public_address, "where API clients reach this service by gRPC (server TLS, API key)");
    flags.Text("public-tls-cert", &public_tls.certificate, "server certificate of the public listeners, PEM; read again when it changes");
    flags.Text("public-tls-key", &public_tls.key, "its private key, PEM");
  }
  flags.Address("metrics-address", &metrics_address, "where Prometheus reads /metrics");
  flags.Required("tls-cert", &tls.certificate, "this service's certificate, PEM; its URI SAN is its identity; read again when it changes");
  flags.Required("tls-key", &tls.key, "its private key, PEM");
  flags.Required("tls-ca", &tls.ca, "the fleet's certificate authority, PEM");
  flags.Text("trust-domain", &trust_domain, "trust domain of the fleet's identities, spiffe://<trust-domain>/<service>");
  flags.Choice("log-level", &log_level, {"debug", "info", "warn", "error"}, "least level that is logged");
  flags.Text("log-file", &log_file, "JSON lines go there; empty: standard error");
  flags.Text("ready-file", &ready_file, "written when the service is ready: JSON with the process id and the ports in use");
  flags.Hidden("canary", &canary, "for tests: digits, no card's, that are kept in memory, logged and stored, so that a scan for card data can show that it looks");
  flags.Duration("shutdown-deadline", &shutdown_deadline, absl::ZeroDuration(), absl::Hours(24), "how long SIGTERM waits for work to finish");
  if (spec.realtime_priority == 0) return;
  flags.Integer("realtime-priority", &realtime_priority, 0, 50, "runs in real time (SCHED_RR), before the machine's other work; needs "
                "CAP_SYS_NICE or a limit (LimitRTPRIO=), else it runs like others and says so; 0: like others");
}

// Threads that begin later inherit it: gRPC's too, any of which may carry a frame. A thread that spins leaves others 5 %
// of its core (the kernel's sched_rt_runtime_us).
void Process::Impl::GoBeforeOthers() {
  const sched_param wanted{.sched_priority = realtime_priority};
  const bool refused = realtime_priority != 0 && sched_setscheduler(0, SCHED_RR, &wanted) != 0;
  const char* const why = refused ? std::strerror(errno) : "";
  sched_param in_force{};
  sched_getparam(0, &in_force);
  obs::Gauge(registry, "flattone_process_realtime_priority", "Real-time priority in force; 0: runs like other processes").Set(in_force.sched_priority);
  if (refused) log->Warn("does not run in real time: sound may be late under load", {{"priority", realtime_priority}, {"why", why}});
}

absl::Status Process::Impl::CheckFiles() const {
  auto status = rpc::CheckTlsFiles(tls, rpc::IdentityUri(spec.name, trust_domain), SystemClock().Now());
  if (status.ok() && !public_tls.certificate.empty()) status = rpc::CheckTlsFiles(public_tls, "", SystemClock().Now());
  return status;
}

absl::Status Process::Impl::Serve() {
  auto started = Server::Start({.address = grpc_address, .flag = "grpc-address",
                                .credentials = rpc::InternalServerCredentials(tls, rpc::MakeAccessCheck(trust_domain, registry, *log)),
                                .services = services, .configure = configure});
  if (!started.ok()) return started.status();
  internal = std::move(*started);
  if (public_services.empty()) return absl::OkStatus();
  if (public_tls.certificate.empty() || public_tls.key.empty()) {
    return InvalidField("public-tls-cert", "or public-tls-key is empty", "given when this service has a public listener");
  }
  started = Server::Start({.address = public_address, .flag = "public-grpc-address",
                           .credentials = rpc::PublicServerCredentials(public_tls.certificate, public_tls.key),
                           .services = public_services, .configure = nullptr, .max_message_bytes = kPublicMessageBytes});
  if (!started.ok()) return started.status();
  external = std::move(*started);
  return absl::OkStatus();
}

// The ready line: on standard output, and in --ready-file by a rename, so that a reader never sees half of it.
void Process::Impl::Announce() const {
  std::string ports = absl::StrCat("\"grpc\":", internal->port(), ",\"metrics\":", exposer->port());
  if (external) absl::StrAppend(&ports, ",\"public_grpc\":", external->port());
  for (const auto& [name, port] : extra_ports) absl::StrAppend(&ports, ",\"", name, "\":", port);
  const std::string line = absl::StrCat("{\"ready\":true,\"service\":\"", spec.name, "\",\"version\":\"", FLATTONE_VERSION, "\",\"pid\":", getpid(),
                                        ",\"ports\":{", ports, "}}");
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
  if (ready_file.empty()) return;
  const std::string draft = ready_file + ".part";
  std::ofstream(draft) << line << '\n';
  if (std::rename(draft.c_str(), ready_file.c_str()) != 0) log->Error("the ready file cannot be written", {{"path", ready_file}});
}

void Process::Impl::Drain(const Hooks& hooks) {
  const absl::Time deadline = SystemClock().Now() + shutdown_deadline;
  Watchdog watchdog(shutdown_deadline + kGrace, *log);
  if (hooks.drain) hooks.drain(deadline);
  if (external) external->Shutdown(deadline);
  if (internal) internal->Shutdown(deadline);
  if (hooks.stop) hooks.stop();
}

Process::Process(ProcessSpec spec) {
  if (spec.harden != nullptr) {
    if (auto status = spec.harden(); !status.ok()) {
      std::fprintf(stderr, "%s: cannot protect its memory: %s\n", spec.name.c_str(), status.ToString().c_str());
      std::exit(1);
    }
  }
  // Debian builds Abseil with its debug checks: each lock that gRPC takes would be entered into a graph of all locks.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const sigset_t stop = StopSignals();
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);
  impl_ = std::make_unique<Impl>(std::move(spec));
  impl_->DeclareFlags();
  impl_->flags.Group(impl_->spec.name);
}

Process::~Process() {
  RouteGrpcLog(nullptr);
  RetireExposer(std::move(impl_->exposer));
}

std::optional<int> Process::Start(int argc, const char* const* argv) {
  auto refuse = [this](const absl::Status& status) {
    const std::string_view message(status.message().data(), status.message().size());
    std::fprintf(stderr, "%s: configuration error: %.*s\n", impl_->spec.name.c_str(), static_cast<int>(message.size()), message.data());
    return 2;
  };
  Flags::Outcome outcome;
  std::string output;
  if (auto status = impl_->flags.Parse(argc, argv, &outcome, &output); !status.ok()) return refuse(status);
  if (outcome == Flags::Outcome::kExit) {
    std::fputs(output.c_str(), stdout);
    return 0;
  }
  if (auto status = impl_->CheckFiles(); !status.ok()) return refuse(status);
  impl_->log = std::make_unique<obs::Logger>(
      obs::Logger::Options{.service = impl_->spec.name, .level = *obs::ParseLevel(impl_->log_level), .file = impl_->log_file},
      SystemClock(), impl_->registry);
  if (!impl_->canary.empty()) impl_->log->Info("canary planted", {{"canary", impl_->canary}});
  if (impl_->spec.realtime_priority != 0) impl_->GoBeforeOthers();
  RouteGrpcLog(impl_->log.get());
  impl_->self = std::make_unique<SelfMetrics>(impl_->registry, impl_->spec.name, FLATTONE_VERSION);
  impl_->certificate_end = CertificateEnd(impl_->registry, impl_->tls.certificate, {});
  if (!impl_->public_tls.certificate.empty()) {
    impl_->public_certificate_end = CertificateEnd(impl_->registry, impl_->public_tls.certificate, {{"listener", "public"}});
  }
  impl_->ready = std::make_unique<obs::Gauge>(impl_->registry, "flattone_process_ready", "1 while this process takes new work");
  auto exposer = obs::Exposer::Start(impl_->metrics_address, impl_->registry);
  if (!exposer.ok()) return refuse(exposer.status());
  impl_->exposer = std::move(*exposer);
  return std::nullopt;
}

Flags& Process::flags() { return impl_->flags; }
const Clock& Process::clock() const { return SystemClock(); }
Random& Process::random() const { return SystemRandom(); }
obs::Registry& Process::metrics() { return impl_->registry; }
obs::Logger& Process::log() { return *impl_->log; }
const std::string& Process::trust_domain() const { return impl_->trust_domain; }
const rpc::TlsFiles& Process::tls() const { return impl_->tls; }
const rpc::TlsFiles& Process::public_tls() const { return impl_->public_tls; }
const std::string& Process::canary() const { return impl_->canary; }
int Process::grpc_port() const { return impl_->internal ? impl_->internal->port() : 0; }
int Process::public_port() const { return impl_->external ? impl_->external->port() : 0; }
int Process::metrics_port() const { return impl_->exposer ? impl_->exposer->port() : 0; }
void Process::Announce(std::string name, int port) { impl_->extra_ports[std::move(name)] = port; }
void Process::OnBuild(std::function<void(grpc::ServerBuilder&)> configure) { impl_->configure = std::move(configure); }
void Process::AddNamed(grpc::Service* service, std::string name) { impl_->services.push_back({service, std::move(name)}); }
void Process::AddPublicNamed(grpc::Service* service, std::string name) { impl_->public_services.push_back({service, std::move(name)}); }

std::shared_ptr<grpc::Channel> Process::Dial(const std::string& address, std::string_view server) const {
  return rpc::Connect(address, {.tls = impl_->tls, .trust_domain = impl_->trust_domain, .server = std::string(server)});
}

void Process::SetReady(bool ready) {
  impl_->ready->Set(ready ? 1 : 0);
  if (impl_->internal) impl_->internal->SetReady(ready);
  if (impl_->external) impl_->external->SetReady(ready);
}

void Process::RequestStop() { kill(getpid(), SIGTERM); }

int Process::Run(const Hooks& hooks) {
  absl::Status status = impl_->Serve();
  if (status.ok() && hooks.started) status = hooks.started();
  if (!status.ok()) {
    impl_->log->Error("cannot start", {{"why", status}});
    impl_->Drain(hooks);
    return 1;
  }
  SetReady(true);
  impl_->log->Info("ready", {{"version", FLATTONE_VERSION}, {"grpc_port", grpc_port()}, {"metrics_port", metrics_port()}});
  impl_->Announce();
  const sigset_t stop = StopSignals();
  int signal_number = 0;
  sigwait(&stop, &signal_number);
  impl_->log->Info("stopping", {{"signal", signal_number}, {"deadline_seconds", impl_->shutdown_deadline}});
  SetReady(false);
  impl_->Drain(hooks);
  impl_->log->Info("stopped");
  return 0;
}

}  // namespace flattone::daemon
