#include "services/session-orchestration/fleet/fleet.h"

#include <set>
#include <vector>

#include "flattone/session/v1/admin.pb.h"
#include "services/session-orchestration/session/free_text.h"
#include "services/session-orchestration/session/lifecycle.h"

namespace flattone::session {
namespace {

using storage::Blob;
using storage::Transaction;

v1::Protection ProtectionOf(media::v1::SecureState state) {
  switch (state) {
    case media::v1::SECURE_STATE_PLAIN: return v1::PROTECTION_OFF;
    case media::v1::SECURE_STATE_STARTING: return v1::PROTECTION_STARTING;
    case media::v1::SECURE_STATE_SECURE: return v1::PROTECTION_ON;
    case media::v1::SECURE_STATE_STOPPING: return v1::PROTECTION_STOPPING;
    default: return v1::PROTECTION_UNSPECIFIED;
  }
}

}  // namespace

// An edge that is open for a platform is open for the tenants that the platform makes.
absl::Status Fleet::AddOwnTenants(Transaction& tx, v1::EdgeConfiguration& edge) {
  const std::vector<std::string> named(edge.tenant_ids().begin(), edge.tenant_ids().end());
  std::set<std::string> all(named.begin(), named.end());
  for (const std::string& id : named) {
    auto own = tx.Query("SELECT id FROM tenant WHERE platform_id = $1 ORDER BY created_us, id LIMIT $2", {id, kMaxTenantsOfEdge});
    if (!own.ok()) return own.status();
    for (const storage::Row& row : *own) {
      if (all.size() < static_cast<size_t>(kMaxTenantsOfEdge) && all.insert(row.Text("id")).second) edge.add_tenant_ids(row.Text("id"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::RelayLease> Fleet::Lease(Transaction& tx, int64_t known_revision) {
  v1::RelayLease lease;
  lease.set_lease_seconds(static_cast<uint32_t>(absl::ToInt64Seconds(kRelayLease)));
  auto revision = tx.Query("SELECT value FROM counter WHERE name = 'edges_revision'");
  if (!revision.ok()) return revision.status();
  lease.set_edges_revision(revision->front().Int("value"));
  if (lease.edges_revision() == known_revision) return lease;
  auto edges = tx.Query("SELECT body FROM edge ORDER BY id");
  if (!edges.ok()) return edges.status();
  lease.set_edges_included(true);
  for (const storage::Row& row : *edges) {
    auto* edge = lease.add_edges();
    edge->ParseFromString(row.Bytes("body"));
    FT_TRY(AddOwnTenants(tx, *edge));
  }
  return lease;
}

// The calls of a restarted relay's former life get a relay of their own whose time is over: the worker ends them.
absl::Status Fleet::PartFromFormerLife(Transaction& tx, const v1::RegisterRelayRequest& request) {
  auto rows = tx.Query("SELECT body FROM relay WHERE id = $1" + tx.ForUpdate(), {request.relay_id()});
  if (!rows.ok() || rows->empty()) return rows.status();
  v1::Relay former;
  former.ParseFromString(rows->front().Bytes("body"));
  if (former.instance_id().empty() || request.instance_id().empty() || former.instance_id() == request.instance_id()) return absl::OkStatus();
  const std::string gone = former.relay_id() + "#" + former.instance_id();
  former.set_relay_id(gone);
  FT_TRY(tx.Execute("INSERT INTO relay (id, address, lease_until_us, body) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                    {gone, former.grpc_address(), kRestarted, Blob{former.SerializeAsString()}}).status());
  return tx.Execute("UPDATE live_call SET relay_id = $1 WHERE relay_id = $2", {gone, request.relay_id()}).status();
}

absl::StatusOr<v1::RelayLease> Fleet::Register(const v1::RegisterRelayRequest& request) {
  FT_TRY(CheckRequiredText("relay_id", request.relay_id(), 64));
  FT_TRY(CheckRequiredText("grpc_address", request.grpc_address(), 255));
  if (request.instance_id().size() > 64) return InvalidField("instance_id", "is too long", "at most 64 bytes");
  v1::Relay relay;
  relay.set_relay_id(request.relay_id());
  relay.set_grpc_address(request.grpc_address());
  *relay.mutable_media_addresses() = request.media_addresses();
  relay.set_state(request.state());
  relay.set_instance_id(request.instance_id());
  *relay.mutable_load() = request.load();
  v1::RelayLease lease;
  FT_TRY(domain_.Commit([&](Transaction& tx) -> absl::Status {
    FT_TRY(PartFromFormerLife(tx, request));
    FT_TRY(tx.Execute("INSERT INTO relay (id, address, lease_until_us, body) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE"
                      " SET address = excluded.address, lease_until_us = excluded.lease_until_us, body = excluded.body",
                      {relay.relay_id(), relay.grpc_address(), absl::ToUnixMicros(domain_.clock.Now() + kRelayLease), Blob{relay.SerializeAsString()}}).status());
    auto made = Lease(tx, -1);
    if (made.ok()) lease = *std::move(made);
    return made.status();
  }));
  return lease;
}

absl::StatusOr<v1::RelayLease> Fleet::Renew(const v1::RenewRelayLeaseRequest& request) {
  v1::RelayLease lease;
  FT_TRY(domain_.db.Write([&](Transaction& tx) -> absl::Status {
    auto rows = tx.Query("SELECT body FROM relay WHERE id = $1" + tx.ForUpdate(), {request.relay_id()});
    if (!rows.ok()) return rows.status();
    if (rows->empty()) return Refuse(absl::StatusCode::kNotFound, "lease_expired", "the relay has no lease", "register again");
    v1::Relay relay;
    relay.ParseFromString(rows->front().Bytes("body"));
    relay.set_state(request.state());
    *relay.mutable_load() = request.load();
    FT_TRY(tx.Execute("UPDATE relay SET lease_until_us = $1, body = $2 WHERE id = $3",
                      {absl::ToUnixMicros(domain_.clock.Now() + kRelayLease), Blob{relay.SerializeAsString()}, request.relay_id()}).status());
    auto made = Lease(tx, request.edges_revision());
    if (made.ok()) lease = *std::move(made);
    return made.status();
  }));
  return lease;
}

absl::StatusOr<v1::ReportCallsResponse> Fleet::Report(const v1::ReportCallsRequest& request) {
  if (request.reports_size() > 1000) return InvalidField("reports", "has too many entries", "at most 1000 reports");
  for (const v1::CallReport& report : request.reports()) {
    FT_TRY(CheckRequiredText("reports.report_id", report.report_id(), 64));
    FT_TRY(ReportOne(request.relay_id(), report));
  }
  return v1::ReportCallsResponse();
}

absl::Status Fleet::ReportOne(const std::string& relay_id, const v1::CallReport& report) {
  if (report.kind() == v1::CALL_REPORT_KIND_ENDED) {
    auto ends = EndsSessions(report);
    if (!ends.ok()) return ends.status();
    if (*ends) FT_TRY(EndSessions(report.tenant_id(), report.call_reference()));
  }
  return domain_.Commit([&](Transaction& tx) -> absl::Status {
    auto first = tx.Execute("INSERT INTO call_report (report_id, at_us) VALUES ($1, $2) ON CONFLICT DO NOTHING", {report.report_id(), domain_.NowUs()});
    if (!first.ok() || *first == 0) return first.status();
    switch (report.kind()) {
      case v1::CALL_REPORT_KIND_STARTED:
        return tx.Execute("INSERT INTO live_call (tenant_id, call_reference, call_id, relay_id, started_us) VALUES ($1, $2, $3, $4, $5)"
                          " ON CONFLICT (tenant_id, call_reference) DO UPDATE SET call_id = excluded.call_id, relay_id = excluded.relay_id",
                          {report.tenant_id(), report.call_reference(), report.call_id(), relay_id, report.time_ms() * 1000}).status();
      case v1::CALL_REPORT_KIND_ENDED:  // its sessions have ended before
        return tx.Execute("DELETE FROM live_call WHERE tenant_id = $1 AND call_reference = $2 AND call_id = $3",
                          {report.tenant_id(), report.call_reference(), report.call_id()}).status();
      case v1::CALL_REPORT_KIND_PROTECTION: return ProtectionChanged(tx, report);
      case v1::CALL_REPORT_KIND_MASKER_LOST:
        return Warn(tx, report, "the masker was lost: the agent hears a comfort tone until another has taken over");
      case v1::CALL_REPORT_KIND_MASKER_REPLACED: return Warn(tx, report, "another masker has taken over: the field that was being typed starts anew");
      case v1::CALL_REPORT_KIND_CODEC_CHANGED:
        return Warn(tx, report, "the call changed its codec: while it is one that cannot be masked, the agent hears a comfort tone");
      case v1::CALL_REPORT_KIND_KEY_LOST: return Warn(tx, report, "a key was lost on its way: the field that was being typed starts anew");
      default: return absl::OkStatus();
    }
  });
}

// The late end of an earlier call under the same reference says nothing about the one that runs now.
absl::StatusOr<bool> Fleet::EndsSessions(const v1::CallReport& report) {
  bool ends = false;
  FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
    auto known = tx.Query("SELECT 1 FROM call_report WHERE report_id = $1", {report.report_id()});
    if (!known.ok()) return known.status();
    auto now = tx.Query("SELECT call_id FROM live_call WHERE tenant_id = $1 AND call_reference = $2", {report.tenant_id(), report.call_reference()});
    if (!now.ok()) return now.status();
    ends = known->empty() && (now->empty() || now->front().Text("call_id") == report.call_id());
    return absl::OkStatus();
  }));
  return ends;
}

// One transaction for each: with its session it locks the tenant's counter of events, and who went on from that to the next
// session could meet another in a circle.
absl::Status Fleet::EndSessions(const std::string& tenant_id, const std::string& call_reference) {
  constexpr size_t kPage = 100;
  std::string last;
  std::vector<std::string> ids;
  do {
    FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
      ids.clear();
      auto rows = tx.Query("SELECT id FROM session WHERE tenant_id = $1 AND call_reference = $2 AND state <> $3 AND id > $4 ORDER BY id LIMIT $5",
                           {tenant_id, call_reference, static_cast<int>(v1::SESSION_STATE_ENDED), last, static_cast<int64_t>(kPage)});
      if (!rows.ok()) return rows.status();
      for (const storage::Row& row : *rows) ids.push_back(row.Text("id"));
      return absl::OkStatus();
    }));
    for (const std::string& id : ids) {
      FT_TRY(domain_.Commit([&](Transaction& tx) -> absl::Status {
        auto session = LoadSessionOfTenant(tx, tenant_id, id, Lock::kYes);
        if (!session.ok()) return session.status();
        if (session->state() == SessionState::kEnded) return absl::OkStatus();  // meanwhile
        return EndOrWait(tx, domain_, *session, SessionAction::kHangUp, "hang_up", "caller");
      }));
      last = id;
    }
  } while (ids.size() == kPage);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<SessionRow>> Fleet::SessionOfCapture(Transaction& tx, const v1::CallReport& report) {
  if (report.capture_id().empty()) return std::nullopt;
  auto capture = LoadCapture(tx, report.tenant_id(), report.capture_id(), Lock::kNo);
  if (capture.status().code() == absl::StatusCode::kNotFound) return std::nullopt;
  if (!capture.ok()) return capture.status();
  auto session = LoadSessionOfTenant(tx, report.tenant_id(), capture->session_id, Lock::kYes);
  if (!session.ok()) return session.status();
  if (session->capture_id != report.capture_id()) return std::nullopt;
  return *std::move(session);
}

absl::Status Fleet::ProtectionChanged(Transaction& tx, const v1::CallReport& report) {
  auto session = SessionOfCapture(tx, report);
  if (!session.ok() || !session->has_value()) return session.status();
  const v1::Protection protection = ProtectionOf(report.secure_state());
  if (protection == v1::PROTECTION_UNSPECIFIED || protection == (*session)->body.protection()) return absl::OkStatus();
  (*session)->body.set_protection(protection);
  if ((*session)->state() == SessionState::kEnded) return SaveSession(tx, **session);  // "session.ended" is the last event
  return Tell(tx, domain_, **session, {"session.protection_changed", "system", {}});
}

absl::Status Fleet::Warn(Transaction& tx, const v1::CallReport& report, std::string_view message) {
  auto session = SessionOfCapture(tx, report);
  if (!session.ok() || !session->has_value() || (*session)->state() == SessionState::kEnded) return session.status();
  return Tell(tx, domain_, **session, {"session.warning", "system", std::string(message)});
}

absl::Status Fleet::DropLost(bool leases_count) {
  const int64_t before_us = leases_count ? absl::ToUnixMicros(domain_.clock.Now() - kRelayGrace) : kRestarted + 1;
  std::vector<std::string> relays;
  FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
    relays.clear();
    auto rows = tx.Query("SELECT id FROM relay WHERE lease_until_us < $1 ORDER BY id LIMIT 10", {before_us});
    if (!rows.ok()) return rows.status();
    for (const storage::Row& row : *rows) relays.push_back(row.Text("id"));
    return absl::OkStatus();
  }));
  for (const std::string& relay : relays) FT_TRY(DropRelay(relay, before_us));
  return absl::OkStatus();
}

// Its calls one by one, then the relay itself; in each step only while its lease is still over, and by several replicas as well
// as by one.
absl::Status Fleet::DropRelay(const std::string& relay, int64_t before_us) {
  constexpr size_t kRound = 200;  // the rest in the next round
  struct Call {
    std::string tenant_id, reference, id;
  };
  std::vector<Call> calls;
  FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
    calls.clear();
    auto rows = tx.Query("SELECT tenant_id, call_reference, call_id FROM live_call WHERE relay_id = $1 ORDER BY tenant_id, call_reference LIMIT $2",
                         {relay, static_cast<int64_t>(kRound)});
    if (!rows.ok()) return rows.status();
    for (const storage::Row& row : *rows) calls.push_back({row.Text("tenant_id"), row.Text("call_reference"), row.Text("call_id")});
    return absl::OkStatus();
  }));
  for (const Call& call : calls) {
    bool gone = false;
    FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
      auto rows = tx.Query("SELECT 1 FROM relay r JOIN live_call c ON c.relay_id = r.id WHERE r.id = $1 AND r.lease_until_us < $2"
                           " AND c.tenant_id = $3 AND c.call_reference = $4 AND c.call_id = $5",
                           {relay, before_us, call.tenant_id, call.reference, call.id});
      gone = rows.ok() && !rows->empty();
      return rows.status();
    }));
    if (!gone) continue;
    FT_TRY(EndSessions(call.tenant_id, call.reference));
    FT_TRY(domain_.Commit([&](Transaction& tx) -> absl::Status {
      return tx.Execute("DELETE FROM live_call WHERE tenant_id = $1 AND call_reference = $2 AND call_id = $3 AND relay_id = $4",
                        {call.tenant_id, call.reference, call.id, relay}).status();
    }));
  }
  if (calls.size() == kRound) return absl::OkStatus();
  return domain_.Commit([&](Transaction& tx) -> absl::Status {
    auto still = tx.Query("SELECT 1 FROM relay WHERE id = $1 AND lease_until_us < $2" + tx.ForUpdate(), {relay, before_us});
    if (!still.ok() || still->empty()) return still.status();
    FT_TRY(tx.Execute("UPDATE capture SET relay_done = 1 WHERE relay_id = $1 AND phase = 'CLOSING'", {relay}).status());
    return tx.Execute("DELETE FROM relay WHERE id = $1", {relay}).status();
  });
}

}  // namespace flattone::session
