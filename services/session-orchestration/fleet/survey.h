// What the database says of the whole service, as gauges: relays one by one, webhooks that wait, payments whose outcome
// is unknown. Every replica with a worker looks by itself and shows the same, so rules take the max over replicas.
//
//   Survey survey(domain, registry);
//   jobs.Every(absl::Seconds(5), "survey", [&] { return survey.Look(); });
//
// At most kRelaysShown relays have series of their own; the rest are summed up under relay="other".
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "libs/obs/metrics.h"
#include "libs/obs/passing_gauge.h"
#include "services/session-orchestration/session/context.h"

namespace flattone::session {

inline constexpr size_t kRelaysShown = 64;

class Survey {
 public:
  Survey(const Domain& domain, obs::Registry& registry);
  // One read transaction. One thread at a time.
  absl::Status Look();

 private:
  // One relay's series, from when it is first seen until it is gone.
  struct RelayGauges {
    RelayGauges(obs::Registry& registry, const std::string& relay);
    obs::PassingGauge calls, capacity, captures, lease_age;
  };
  struct Seen {
    double calls = 0, capacity = 0, captures = 0, lease_age = 0;
  };
  absl::Status LookAtRelays(storage::Transaction& tx);
  absl::Status LookAtBacklogs(storage::Transaction& tx);
  void ShowRelays(const std::map<std::string, Seen>& seen);

  const Domain& domain_;
  obs::Registry& registry_;
  std::map<std::string, RelayGauges> relays_;
  obs::Gauge ready_, draining_, lost_;
  obs::Gauge webhooks_pending_, webhooks_oldest_, endpoints_failing_, endpoints_disabled_, unknown_, unknown_oldest_;
};

}  // namespace flattone::session
