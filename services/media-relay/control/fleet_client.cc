#include "services/media-relay/control/fleet_client.h"

#include <algorithm>
#include <chrono>

#include "libs/rpc/call.h"
#include "libs/rpc/status.h"
#include "services/media-relay/control/mapping.h"

namespace flattone::relay {
namespace {
namespace session = flattone::session::v1;
constexpr int kReportsAtOnce = 100;
constexpr int64_t kRetry = 1'000'000'000;
}  // namespace

FleetMeters::FleetMeters(obs::Registry& r)
    : renewals(r, "flattone_relay_lease_renewals_total", "Leases taken or renewed"),
      renewal_failures(r, "flattone_relay_lease_failures_total", "Leases that could not be taken or renewed"),
      reports(r, "flattone_relay_reports_total", "Call reports that the orchestrator has taken"),
      reports_dropped(r, "flattone_relay_dropped_reports_total", "Call reports dropped because too many waited"),
      report_failures(r, "flattone_relay_report_failures_total", "Batches of call reports that were not taken"),
      reports_waiting(r, "flattone_relay_waiting_reports", "Call reports waiting for the orchestrator"),
      lease_held(r, "flattone_relay_lease_held", "1 while the orchestrator knows this relay") {}

FleetClient::FleetClient(const FleetOptions& options, std::shared_ptr<grpc::Channel> channel, EdgeDirectory& edges,
                         std::function<Load()> load, const Clock& clock, Random& random, FleetMeters& meters, obs::Logger& log)
    : options_(options), instance_id_(RandomId(random, "run")), stub_(session::FleetService::NewStub(channel)), edges_(edges), load_(std::move(load)), clock_(clock),
      random_(random), meters_(meters), log_(log) {}

FleetClient::~FleetClient() { Stop(absl::ZeroDuration()); }

void FleetClient::Start() {
  thread_ = std::thread([this] {
    Loop();
    const std::lock_guard lock(mutex_);
    thread_ended_ = true;
    ended_.notify_all();
  });
}

void FleetClient::Stop(absl::Duration limit) {
  if (!thread_.joinable()) return;
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    stop_by_ = clock_.Now() + limit;
    changed_.notify_one();
    ended_.wait_for(lock, absl::ToChronoNanoseconds(limit), [this] { return thread_ended_; });
    if (under_way_ != nullptr) under_way_->TryCancel();
  }
  thread_.join();
}

void FleetClient::Poke() {
  {
    const std::lock_guard lock(mutex_);
    poked_ = true;
  }
  changed_.notify_one();
}

void FleetClient::Report(const CallEvent& event) {
  session::CallReport report = ToProto(event, RandomId(random_, "rep"));
  {
    const std::lock_guard lock(mutex_);
    if (reports_.size() == options_.report_capacity) {
      reports_.pop_front();
      meters_.reports_dropped.Add();
    }
    reports_.push_back(std::move(report));
    meters_.reports_waiting.Set(static_cast<double>(reports_.size()));
  }
  changed_.notify_one();
}

void FleetClient::Loop() {
  int64_t next_reports = 0;
  std::unique_lock lock(mutex_);
  for (;;) {
    const int64_t now = clock_.MonotonicNanos();
    const bool reports_due = !reports_.empty() && now >= next_reports;
    const bool renewal_due = now >= next_renewal_ || poked_;
    if (stopping_ && (reports_.empty() || clock_.Now() >= stop_by_)) return;
    if (!reports_due && !renewal_due) {
      const int64_t until = reports_.empty() ? next_renewal_ : std::min(next_renewal_, next_reports);
      const int64_t left = stopping_ ? absl::ToInt64Nanoseconds(stop_by_ - clock_.Now()) : kRetry;
      changed_.wait_for(lock, std::chrono::nanoseconds(std::clamp<int64_t>(std::min(until - now, left), 1'000'000, kRetry)));
      continue;
    }
    poked_ = false;
    lock.unlock();
    if (renewal_due && !Renew()) next_renewal_ = clock_.MonotonicNanos() + kRetry;
    if (reports_due && !SendReports()) next_reports = clock_.MonotonicNanos() + kRetry;
    lock.lock();
  }
}

grpc::Status FleetClient::Ask(absl::Duration timeout, const std::function<grpc::Status(grpc::ClientContext&)>& rpc) {
  grpc::ClientContext context;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) timeout = std::clamp(stop_by_ - clock_.Now(), absl::Milliseconds(1), timeout);
    under_way_ = &context;
  }
  rpc::Prepare(context, {.trace = obs::TraceContext::New(random_), .timeout = timeout});
  const grpc::Status status = rpc(context);
  const std::lock_guard lock(mutex_);
  under_way_ = nullptr;
  return status;
}

bool FleetClient::Renew() {
  const Load load = load_();
  const auto state = load.draining ? session::RELAY_STATE_DRAINING : session::RELAY_STATE_READY;
  const auto fill = [&](session::RelayLoad& to) {
    to.set_calls(load.calls);
    to.set_call_capacity(load.capacity);
    to.set_ports_free(load.ports_free);
    to.set_captures(load.captures);
  };
  constexpr absl::Duration kLimit = absl::Seconds(2);
  session::RelayLease lease;
  grpc::Status status;
  if (registered_) {
    session::RenewRelayLeaseRequest request;
    request.set_relay_id(options_.relay_id);
    request.set_state(state);
    fill(*request.mutable_load());
    request.set_edges_revision(edges_.revision());
    status = Ask(kLimit, [&](grpc::ClientContext& context) { return stub_->RenewRelayLease(&context, request, &lease); });
    if (status.error_code() == grpc::StatusCode::NOT_FOUND) registered_ = false;
  } else {
    session::RegisterRelayRequest request;
    request.set_relay_id(options_.relay_id);
    request.set_grpc_address(options_.grpc_address);
    for (const std::string& address : options_.media_addresses) request.add_media_addresses(address);
    request.set_state(state);
    request.set_instance_id(instance_id_);
    fill(*request.mutable_load());
    status = Ask(kLimit, [&](grpc::ClientContext& context) { return stub_->RegisterRelay(&context, request, &lease); });
  }
  if (!status.ok()) {
    meters_.renewal_failures.Add();
    meters_.lease_held.Set(0);
    log_.Warn("no lease from the orchestrator", {{"status", rpc::FromGrpc(status)}});
    return false;
  }
  TakeLease(lease);
  return true;
}

void FleetClient::TakeLease(const session::RelayLease& lease) {
  if (!registered_) log_.Info("registered with the orchestrator", {{"lease_seconds", lease.lease_seconds()}});
  registered_ = true;
  meters_.renewals.Add();
  meters_.lease_held.Set(1);
  next_renewal_ = clock_.MonotonicNanos() + std::max<int64_t>(lease.lease_seconds(), 1) * 1'000'000'000 / 3;
  if (!lease.edges_included()) return;
  std::vector<EdgeRules> edges;
  for (const session::EdgeConfiguration& edge : lease.edges()) {
    edges.push_back({edge.edge_id(), {edge.tenant_ids().begin(), edge.tenant_ids().end()},
                     edge.offering_side() == flattone::media::v1::SIDE_AGENT ? Side::kAgent : Side::kCaller});
  }
  log_.Info("edges configured", {{"edges", edges.size()}, {"revision", lease.edges_revision()}});
  edges_.Replace(lease.edges_revision(), edges);
}

// One batch, oldest first; it stays until it was taken, so the order holds.
bool FleetClient::SendReports() {
  session::ReportCallsRequest request;
  request.set_relay_id(options_.relay_id);
  {
    const std::lock_guard lock(mutex_);
    for (const session::CallReport& report : reports_) {
      if (request.reports_size() == kReportsAtOnce) break;
      *request.add_reports() = report;
    }
  }
  if (request.reports_size() == 0) return true;
  session::ReportCallsResponse response;
  const grpc::Status status =
      Ask(absl::Seconds(5), [&](grpc::ClientContext& context) { return stub_->ReportCalls(&context, request, &response); });
  if (!status.ok()) {
    meters_.report_failures.Add();
    return false;
  }
  const std::lock_guard lock(mutex_);
  // Some may have been dropped meanwhile: take away by id.
  for (const session::CallReport& report : request.reports()) {
    if (!reports_.empty() && reports_.front().report_id() == report.report_id()) reports_.pop_front();
  }
  meters_.reports.Add(static_cast<uint64_t>(request.reports_size()));
  meters_.reports_waiting.Set(static_cast<double>(reports_.size()));
  return true;
}

}  // namespace flattone::relay
