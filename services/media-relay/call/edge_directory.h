// Which tenants each edge (SBC) may act for, and which side makes its first offers: the operator's configuration,
// brought by the orchestrator with the relay's lease. What is outside it is refused. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/media-relay/media/call.h"

namespace flattone::relay {

struct EdgeRules {
  std::string edge_id;
  std::vector<std::string> tenant_ids;
  Side offering_side = Side::kCaller;
};

class EdgeDirectory {
 public:
  void Replace(int64_t revision, const std::vector<EdgeRules>& edges);
  int64_t revision() const;
  // The side that this edge's first offers come from. PERMISSION_DENIED "tenant_not_of_edge" when the edge is
  // unknown or the tenant not its own; UNAVAILABLE "edges_unknown" before the first configuration.
  absl::StatusOr<Side> Check(const std::string& edge_id, const std::string& tenant_id) const;

 private:
  struct Rules {
    std::set<std::string> tenants;
    Side offering_side;
  };
  mutable std::mutex mutex_;
  bool known_ = false;
  int64_t revision_ = 0;
  std::map<std::string, Rules> edges_;
};

}  // namespace flattone::relay
