// The URI SAN of an authenticated peer. Private to libs/rpc.
#pragma once

#include <optional>
#include <string>

#include <grpcpp/security/auth_context.h>

namespace flattone::rpc {

// The one URI of the peer's certificate; nothing when it has none or several (which one would count?).
inline std::optional<std::string> PeerUri(const grpc::AuthContext& context) {
  const auto uris = context.FindPropertyValues("peer_uri");
  if (uris.size() != 1) return std::nullopt;
  return std::string(uris[0].data(), uris[0].size());
}

}  // namespace flattone::rpc
