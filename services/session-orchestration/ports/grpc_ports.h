// The ports over gRPC: one channel per address, made when first used, each pinned to the service that must answer.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "libs/base/random.h"
#include "services/session-orchestration/ports/ports.h"

namespace grpc {
class Channel;
}

namespace flattone::session {

// Channels by address, bounded: beyond `limit` the oldest unused ones are dropped. Any thread.
class Channels {
 public:
  using Dial = std::function<std::shared_ptr<grpc::Channel>(const std::string& address)>;
  explicit Channels(Dial dial, size_t limit = 256) : dial_(std::move(dial)), limit_(limit) {}
  std::shared_ptr<grpc::Channel> At(const std::string& address);

 private:
  const Dial dial_;
  const size_t limit_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
};

std::unique_ptr<RelayPort> MakeGrpcRelays(Channels::Dial dial, Random& random);
// `any`: the address behind which every vault replica is, for captures that have none yet.
std::unique_ptr<VaultPort> MakeGrpcVault(Channels::Dial dial, std::string any, Random& random);
std::unique_ptr<GatewayPort> MakeGrpcGateway(Channels::Dial dial, std::string address, Random& random);

}  // namespace flattone::session
