#include "services/session-orchestration/fleet/survey.h"

#include <algorithm>
#include <set>

#include "flattone/session/v1/admin.pb.h"
#include "services/session-orchestration/fleet/fleet.h"

namespace flattone::session {
namespace {

using storage::Transaction;

constexpr char kOther[] = "other";
constexpr char kRelays[] = "flattone_session_relays";
constexpr char kRelaysHelp[] = "Registered relays by state; lost: their lease is over";

double Seconds(int64_t us) { return static_cast<double>(us) / 1e6; }

}  // namespace

Survey::RelayGauges::RelayGauges(obs::Registry& registry, const std::string& relay)
    : calls(registry, "flattone_session_relay_calls", "Calls that a relay has told of, by relay", {{"relay", relay}}),
      capacity(registry, "flattone_session_relay_call_capacity", "Calls that a relay can hold, by relay", {{"relay", relay}}),
      captures(registry, "flattone_session_relay_captures", "Captures that a relay has told of, by relay", {{"relay", relay}}),
      lease_age(registry, "flattone_session_relay_lease_age_seconds", "Since a relay last took or renewed its lease, by relay", {{"relay", relay}}) {}

Survey::Survey(const Domain& domain, obs::Registry& registry)
    : domain_(domain), registry_(registry),
      ready_(registry, kRelays, kRelaysHelp, {{"state", "ready"}}),
      draining_(registry, kRelays, kRelaysHelp, {{"state", "draining"}}),
      lost_(registry, kRelays, kRelaysHelp, {{"state", "lost"}}),
      webhooks_pending_(registry, "flattone_session_webhooks_pending", "Deliveries not accepted yet, of endpoints that are enabled"),
      webhooks_oldest_(registry, "flattone_session_webhook_oldest_due_seconds", "How long the oldest delivery that should have been tried by now has waited"),
      endpoints_failing_(registry, "flattone_session_webhook_endpoints_failing", "Enabled endpoints whose last delivery was not accepted"),
      endpoints_disabled_(registry, "flattone_session_webhook_endpoints_given_up", "Endpoints that were disabled because they were gone or failed for days"),
      unknown_(registry, "flattone_session_payments_unknown", "Payments whose outcome is unknown"),
      unknown_oldest_(registry, "flattone_session_payment_unknown_oldest_seconds", "Age of the oldest payment whose outcome is unknown") {}

absl::Status Survey::Look() {
  return domain_.db.Read([&](Transaction& tx) -> absl::Status {
    FT_TRY(LookAtRelays(tx));
    return LookAtBacklogs(tx);
  });
}

absl::Status Survey::LookAtRelays(Transaction& tx) {
  // A former life is no relay that is missing, and its name would take a series for good.
  auto rows = tx.Query("SELECT id, lease_until_us, body FROM relay WHERE lease_until_us <> $1 ORDER BY id LIMIT 1000", {kRestarted});
  if (!rows.ok()) return rows.status();
  const int64_t now = domain_.NowUs();
  std::set<std::string> there;
  for (const storage::Row& row : *rows) there.insert(row.Text("id"));
  // Those that are gone make room first; one that has series of its own keeps them.
  std::erase_if(relays_, [&](const auto& entry) { return entry.first != kOther && there.count(entry.first) == 0; });
  size_t own = relays_.size() - relays_.count(kOther);
  std::map<std::string, Seen> seen;
  int ready = 0, draining = 0, lost = 0;
  for (const storage::Row& row : *rows) {
    v1::Relay relay;
    relay.ParseFromString(row.Bytes("body"));
    const int64_t until = row.Int("lease_until_us");
    (until <= now ? lost : relay.state() == v1::RELAY_STATE_DRAINING ? draining : ready) += 1;
    const std::string id = row.Text("id");
    const bool shown = relays_.count(id) != 0 || own + 1 < kRelaysShown;  // 1: the others' sum
    if (shown && relays_.count(id) == 0) ++own;
    Seen& entry = seen[shown ? id : kOther];
    entry.calls += relay.load().calls();
    entry.capacity += relay.load().call_capacity();
    entry.captures += relay.load().captures();
    entry.lease_age = std::max(entry.lease_age, std::max(0.0, Seconds(now - until + absl::ToInt64Microseconds(kRelayLease))));
  }
  ready_.Set(ready);
  draining_.Set(draining);
  lost_.Set(lost);
  ShowRelays(seen);
  return absl::OkStatus();
}

void Survey::ShowRelays(const std::map<std::string, Seen>& seen) {
  std::erase_if(relays_, [&](const auto& entry) { return seen.count(entry.first) == 0; });
  for (const auto& [id, now] : seen) {
    RelayGauges& gauges = relays_.try_emplace(id, registry_, id).first->second;
    gauges.calls.Set(now.calls);
    gauges.capacity.Set(now.capacity);
    gauges.captures.Set(now.captures);
    gauges.lease_age.Set(now.lease_age);
  }
}

absl::Status Survey::LookAtBacklogs(Transaction& tx) {
  const int64_t now = domain_.NowUs();
  auto pending = tx.Query("SELECT count(*) AS n, COALESCE(min(d.next_attempt_us), $1) AS oldest FROM webhook_delivery d"
                          " JOIN webhook_endpoint w ON w.id = d.endpoint_id WHERE d.state = 1 AND w.disabled = 0 AND w.deleted = 0", {now});
  if (!pending.ok()) return pending.status();
  webhooks_pending_.Set(static_cast<double>(pending->front().Int("n")));
  webhooks_oldest_.Set(std::max(0.0, Seconds(now - pending->front().Int("oldest"))));
  auto endpoints = tx.Query("SELECT COALESCE(sum(CASE WHEN disabled = 0 AND failing_since_us > 0 THEN 1 ELSE 0 END), 0) AS failing,"
                            " COALESCE(sum(CASE WHEN disabled = 1 AND disabled_reason IN ('gone', 'failing') THEN 1 ELSE 0 END), 0) AS given_up"
                            " FROM webhook_endpoint WHERE deleted = 0");
  if (!endpoints.ok()) return endpoints.status();
  endpoints_failing_.Set(static_cast<double>(endpoints->front().Int("failing")));
  endpoints_disabled_.Set(static_cast<double>(endpoints->front().Int("given_up")));
  // 6: PAYMENT_STATE_UNKNOWN, as in the index payment_one_open.
  auto unknown = tx.Query("SELECT count(*) AS n, COALESCE(min(created_us), $1) AS oldest FROM payment WHERE state = 6", {now});
  if (!unknown.ok()) return unknown.status();
  unknown_.Set(static_cast<double>(unknown->front().Int("n")));
  unknown_oldest_.Set(std::max(0.0, Seconds(now - unknown->front().Int("oldest"))));
  return absl::OkStatus();
}

}  // namespace flattone::session
