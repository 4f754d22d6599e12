// MediaService, for edges: maps messages and identity to the call table. Callback API; nothing here waits for the
// network.
#pragma once

#include <grpcpp/grpcpp.h>

#include "flattone/media/v1/media.grpc.pb.h"
#include "services/media-relay/call/call_table.h"

namespace flattone::relay {

class MediaGrpcService final : public flattone::media::v1::MediaService::CallbackService {
 public:
  MediaGrpcService(CallTable& calls, std::string relay_id, Random& random);

  grpc::ServerUnaryReactor* Offer(grpc::CallbackServerContext* context, const flattone::media::v1::OfferRequest* request,
                                  flattone::media::v1::OfferResponse* response) override;
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, const flattone::media::v1::AnswerRequest* request,
                                   flattone::media::v1::AnswerResponse* response) override;
  grpc::ServerUnaryReactor* DeleteCall(grpc::CallbackServerContext* context,
                                       const flattone::media::v1::DeleteCallRequest* request,
                                       flattone::media::v1::DeleteCallResponse* response) override;
  grpc::ServerUnaryReactor* QueryCall(grpc::CallbackServerContext* context,
                                      const flattone::media::v1::QueryCallRequest* request,
                                      flattone::media::v1::QueryCallResponse* response) override;
  grpc::ServerUnaryReactor* ProtectCall(grpc::CallbackServerContext* context,
                                        const flattone::media::v1::ProtectCallRequest* request,
                                        flattone::media::v1::ProtectCallResponse* response) override;

 private:
  CallTable& calls_;
  const std::string relay_id_;
  Random& random_;
};

}  // namespace flattone::relay
