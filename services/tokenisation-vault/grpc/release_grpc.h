// CardReleaseService: proto to domain, for the gateway-adapter.
#pragma once

#include "flattone/vault/v1/vault.grpc.pb.h"
#include "libs/base/random.h"
#include "libs/obs/log.h"
#include "services/tokenisation-vault/service/cards.h"

namespace flattone::vault {

class CardReleaseGrpcService final : public v1::CardReleaseService::Service {
 public:
  CardReleaseGrpcService(Cards& cards, Random& random, obs::Logger& log) : cards_(cards), random_(random), log_(log) {}

  grpc::Status OpenCard(grpc::ServerContext*, const v1::OpenCardRequest*, v1::OpenCardResponse*) override;
  grpc::Status Wipe(grpc::ServerContext*, const v1::WipeRequest*, v1::WipeResponse*) override;

 private:
  Cards& cards_;
  Random& random_;
  obs::Logger& log_;
};

}  // namespace flattone::vault
