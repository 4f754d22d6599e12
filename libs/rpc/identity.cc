#include "libs/rpc/identity.h"

#include <algorithm>

namespace flattone::rpc {
namespace {

bool IsEdgeId(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

bool Consume(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

const std::vector<std::string_view>& KnownIdentities() {
  static const auto* names = new std::vector<std::string_view>{
      kMediaRelay, kDtmfMasking, kTokenisationVault, kGatewayAdapter, kSessionOrchestration, kOperator, kEdge};
  return *names;
}

std::optional<CallerIdentity> ParseIdentity(std::string_view uri, std::string_view trust_domain) {
  if (trust_domain.empty() || !Consume(uri, "spiffe://") || !Consume(uri, trust_domain) || !Consume(uri, "/")) {
    return std::nullopt;
  }
  if (Consume(uri, "edge/")) {
    if (!IsEdgeId(uri)) return std::nullopt;
    return CallerIdentity{std::string(kEdge), std::string(uri)};
  }
  const auto& known = KnownIdentities();
  if (uri == kEdge || std::find(known.begin(), known.end(), uri) == known.end()) return std::nullopt;
  return CallerIdentity{std::string(uri), {}};
}

std::string IdentityUri(std::string_view name, std::string_view trust_domain) {
  std::string uri = "spiffe://";
  uri += trust_domain;
  uri += '/';
  uri += name;
  return uri;
}

}  // namespace flattone::rpc
