// Relays by lease, and what they report of their calls. Behind FleetService (relays only).
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "flattone/session/v1/fleet.pb.h"
#include "services/session-orchestration/session/context.h"
#include "services/session-orchestration/store/rows.h"

namespace flattone::session {

inline constexpr absl::Duration kRelayLease = absl::Seconds(15);
// How long after its lease a relay that is silent counts as lost with its calls.
inline constexpr absl::Duration kRelayGrace = absl::Seconds(30);

// The lease of a restarted relay's former life, which has a row of its own until its calls are ended.
inline constexpr int64_t kRestarted = 0;
// Tenants of one edge, those of its platforms included: what one lease answer carries.
inline constexpr int kMaxTenantsOfEdge = 20'000;

class Fleet {
 public:
  explicit Fleet(const Domain& domain) : domain_(domain) {}

  absl::StatusOr<v1::RelayLease> Register(const v1::RegisterRelayRequest& request);
  absl::StatusOr<v1::RelayLease> Renew(const v1::RenewRelayLeaseRequest& request);
  // Each report once, by its id. The end of a call ends its sessions, each in a transaction of its own, before it is noted.
  absl::StatusOr<v1::ReportCallsResponse> Report(const v1::ReportCallsRequest& request);
  // For the worker: the former lives of restarted relays and, where `leases_count`, relays whose lease and grace are
  // over; with the sessions of their calls.
  absl::Status DropLost(bool leases_count);

 private:
  absl::StatusOr<v1::RelayLease> Lease(storage::Transaction& tx, int64_t known_revision);
  absl::Status PartFromFormerLife(storage::Transaction& tx, const v1::RegisterRelayRequest& request);
  absl::Status AddOwnTenants(storage::Transaction& tx, v1::EdgeConfiguration& edge);
  absl::Status ReportOne(const std::string& relay_id, const v1::CallReport& report);
  absl::StatusOr<bool> EndsSessions(const v1::CallReport& report);
  absl::Status EndSessions(const std::string& tenant_id, const std::string& call_reference);
  absl::Status DropRelay(const std::string& relay, int64_t before_us);
  absl::Status ProtectionChanged(storage::Transaction& tx, const v1::CallReport& report);
  absl::Status Warn(storage::Transaction& tx, const v1::CallReport& report, std::string_view message);
  absl::StatusOr<std::optional<SessionRow>> SessionOfCapture(storage::Transaction& tx, const v1::CallReport& report);
  const Domain& domain_;
};

}  // namespace flattone::session
