// Who is at the other end of a connection: the one URI SAN of its certificate,
// `spiffe://<trust-domain>/<name>`, where name is a service, "operator" or "edge/<id>".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace flattone::rpc {

inline constexpr std::string_view kDefaultTrustDomain = "flattone.local";

inline constexpr std::string_view kMediaRelay = "media-relay";
inline constexpr std::string_view kDtmfMasking = "dtmf-masking";
inline constexpr std::string_view kTokenisationVault = "tokenisation-vault";
inline constexpr std::string_view kGatewayAdapter = "gateway-adapter";
inline constexpr std::string_view kSessionOrchestration = "session-orchestration";
inline constexpr std::string_view kOperator = "operator";
inline constexpr std::string_view kEdge = "edge";

struct CallerIdentity {
  std::string name;     // one of the above; empty where the caller has no certificate (public listener)
  std::string edge_id;  // with "edge" only: 1 to 64 characters of [a-z0-9._-]

  bool empty() const { return name.empty(); }
  // "media-relay", "edge/acme-1": for logs and audit records.
  std::string ToString() const { return edge_id.empty() ? name : name + "/" + edge_id; }
  friend bool operator==(const CallerIdentity& a, const CallerIdentity& b) {
    return a.name == b.name && a.edge_id == b.edge_id;
  }
};

// `spiffe://<trust_domain>/<name>` read strictly: another scheme or trust domain, an unknown name, an empty or odd
// edge id, a query or a second slash give nothing.
std::optional<CallerIdentity> ParseIdentity(std::string_view uri, std::string_view trust_domain);

// The URI of an identity ("media-relay", "edge/acme-1").
std::string IdentityUri(std::string_view name, std::string_view trust_domain);

// All names that a certificate may carry, for tests: the five services, operator, edge.
const std::vector<std::string_view>& KnownIdentities();

}  // namespace flattone::rpc
