#include "services/media-relay/call/edge_directory.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::relay {

void EdgeDirectory::Replace(int64_t revision, const std::vector<EdgeRules>& edges) {
  std::map<std::string, Rules> next;
  for (const EdgeRules& edge : edges) {
    next[edge.edge_id] = {{edge.tenant_ids.begin(), edge.tenant_ids.end()}, edge.offering_side};
  }
  const std::lock_guard lock(mutex_);
  known_ = true;
  revision_ = revision;
  edges_ = std::move(next);
}

int64_t EdgeDirectory::revision() const {
  const std::lock_guard lock(mutex_);
  return revision_;
}

absl::StatusOr<Side> EdgeDirectory::Check(const std::string& edge_id, const std::string& tenant_id) const {
  const std::lock_guard lock(mutex_);
  if (!known_) {
    return Refusal(absl::StatusCode::kUnavailable,
                   {.code = "edges_unknown", .field = {}, .limit = {}, .fix = "try again when the orchestrator can be reached"},
                   "the relay has not yet learnt which tenants belong to which edge");
  }
  const auto edge = edges_.find(edge_id);
  if (edge == edges_.end() || edge->second.tenants.count(tenant_id) == 0) {
    return Refusal(absl::StatusCode::kPermissionDenied,
                   {.code = "tenant_not_of_edge", .field = "tenant_id", .limit = "a tenant that the operator listed for this edge",
                    .fix = "flattonectl edge put, with every tenant of the edge"},
                   absl::StrCat("edge ", edge_id, " may not act for this tenant"));
  }
  return edge->second.offering_side;
}

}  // namespace flattone::relay
