// The relays' door. The identity table has let only media-relay in.
#pragma once

#include "flattone/session/v1/fleet.grpc.pb.h"
#include "libs/rpc/status.h"
#include "services/session-orchestration/fleet/fleet.h"

namespace flattone::session {

class FleetGrpcService final : public v1::FleetService::Service {
 public:
  explicit FleetGrpcService(Fleet& fleet) : fleet_(fleet) {}

  grpc::Status RegisterRelay(grpc::ServerContext* context, const v1::RegisterRelayRequest* request, v1::RelayLease* response) override {
    return Answer(context, fleet_.Register(*request), response);
  }
  grpc::Status RenewRelayLease(grpc::ServerContext* context, const v1::RenewRelayLeaseRequest* request, v1::RelayLease* response) override {
    return Answer(context, fleet_.Renew(*request), response);
  }
  grpc::Status ReportCalls(grpc::ServerContext* context, const v1::ReportCallsRequest* request, v1::ReportCallsResponse* response) override {
    return Answer(context, fleet_.Report(*request), response);
  }

 private:
  template <typename T>
  grpc::Status Answer(grpc::ServerContext* context, absl::StatusOr<T> answer, T* response) {
    if (!answer.ok()) return rpc::ToGrpc(answer.status(), context);
    *response = *std::move(answer);
    return grpc::Status::OK;
  }
  Fleet& fleet_;
};

}  // namespace flattone::session
