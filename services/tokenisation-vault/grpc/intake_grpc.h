// KeyIntakeService: proto to domain, for the masker.
#pragma once

#include "flattone/vault/v1/vault.grpc.pb.h"
#include "libs/base/random.h"
#include "libs/obs/log.h"
#include "services/tokenisation-vault/service/captures.h"

namespace flattone::vault {

class KeyIntakeGrpcService final : public v1::KeyIntakeService::Service {
 public:
  KeyIntakeGrpcService(Captures& captures, Random& random, obs::Logger& log) : captures_(captures), random_(random), log_(log) {}

  grpc::Status GetCaptureKey(grpc::ServerContext*, const v1::GetCaptureKeyRequest*, v1::GetCaptureKeyResponse*) override;
  grpc::Status SubmitKey(grpc::ServerContext*, const v1::SubmitKeyRequest*, v1::SubmitKeyResponse*) override;

 private:
  Captures& captures_;
  Random& random_;
  obs::Logger& log_;
};

}  // namespace flattone::vault
