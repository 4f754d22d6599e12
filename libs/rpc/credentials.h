// mTLS on both ends of every internal hop.
//
// Server side: client certificates are required and verified against the fleet's CA; which identity may call
// what is decided per call (access.h). Client side: after the chain is verified the server's URI SAN must be
// exactly the identity that was asked for, or the handshake fails: one service's certificate cannot stand in
// for another's.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "libs/rpc/tls_files.h"

namespace grpc {
class Channel;
class ServerCredentials;
class AuthMetadataProcessor;
}  // namespace grpc

namespace flattone::rpc {

struct ChannelOptions {
  TlsFiles tls;
  std::string trust_domain;
  // Name of the server that must answer: "tokenisation-vault".
  std::string server;
  // Optional: false lets this channel share a connection with equal ones.
  bool own_connection = true;
};

// How soon a renewed certificate is used, seconds.
inline constexpr unsigned kRefreshSeconds = 10;

// For the internal listener. `access` (see access.h) sees every call.
std::shared_ptr<grpc::ServerCredentials> InternalServerCredentials(
    const TlsFiles& files, std::shared_ptr<grpc::AuthMetadataProcessor> access, unsigned refresh_seconds = kRefreshSeconds);

// For the public listener: server TLS, clients bring an API key, no certificate.
std::shared_ptr<grpc::ServerCredentials> PublicServerCredentials(const std::string& certificate, const std::string& key);

// A channel to `target`: "127.0.0.1:7003"; a name with several addresses, "vault:7003"; or several replicas as IP
// addresses, "10.0.0.1:7003,10.0.0.2:7003". Calls go round all that answer. It connects lazily, reconnects after
// 0.1 s growing to 0.5 s, and notices a dead peer by keepalive within 15 s. Any thread.
std::shared_ptr<grpc::Channel> Connect(const std::string& target, const ChannelOptions& options);

}  // namespace flattone::rpc
