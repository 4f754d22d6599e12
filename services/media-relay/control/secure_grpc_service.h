// SecureMediaService, for the orchestrator.
#pragma once

#include <grpcpp/grpcpp.h>

#include "flattone/media/v1/media.grpc.pb.h"
#include "services/media-relay/call/call_table.h"

namespace flattone::relay {

class SecureGrpcService final : public flattone::media::v1::SecureMediaService::CallbackService {
 public:
  SecureGrpcService(CallTable& calls, std::string relay_id, Random& random);

  grpc::ServerUnaryReactor* FindCall(grpc::CallbackServerContext* context,
                                     const flattone::media::v1::FindCallRequest* request,
                                     flattone::media::v1::FindCallResponse* response) override;
  grpc::ServerUnaryReactor* StartSecure(grpc::CallbackServerContext* context,
                                        const flattone::media::v1::StartSecureRequest* request,
                                        flattone::media::v1::StartSecureResponse* response) override;
  grpc::ServerUnaryReactor* StopSecure(grpc::CallbackServerContext* context,
                                       const flattone::media::v1::StopSecureRequest* request,
                                       flattone::media::v1::StopSecureResponse* response) override;
  grpc::ServerUnaryReactor* GetSecureState(grpc::CallbackServerContext* context,
                                           const flattone::media::v1::GetSecureStateRequest* request,
                                           flattone::media::v1::GetSecureStateResponse* response) override;

 private:
  CallTable& calls_;
  const std::string relay_id_;
  Random& random_;
};

}  // namespace flattone::relay
