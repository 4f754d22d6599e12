// PaymentGatewayService: proto to domain and back. Who may call is checked before it (libs/rpc).
#pragma once

#include "flattone/gateway/v1/gateway.grpc.pb.h"
#include "libs/base/gate.h"
#include "services/gateway-adapter/attempt/runner.h"
#include "services/gateway-adapter/outbox/outbox.h"

namespace flattone::gateway {

class PaymentGrpcService final : public v1::PaymentGatewayService::Service {
 public:
  struct Parts {
    Runner& runner;
    Ledger& ledger;
    Outbox& outbox;
    const Clock& clock;
    Random& random;
    const Gates& gates;
  };
  explicit PaymentGrpcService(Parts parts) : p_(parts) {}

  grpc::Status Authorise(grpc::ServerContext* context, const v1::AuthoriseRequest* request, v1::Attempt* response) override;
  grpc::Status CapturePayment(grpc::ServerContext* context, const v1::CapturePaymentRequest* request, v1::Attempt* response) override;
  grpc::Status VoidPayment(grpc::ServerContext* context, const v1::VoidPaymentRequest* request, v1::Attempt* response) override;
  grpc::Status RefundPayment(grpc::ServerContext* context, const v1::RefundPaymentRequest* request, v1::Attempt* response) override;
  grpc::Status ListAttempts(grpc::ServerContext* context, const v1::ListAttemptsRequest* request, v1::ListAttemptsResponse* response) override;
  grpc::Status ListOutcomes(grpc::ServerContext* context, const v1::ListOutcomesRequest* request, v1::ListOutcomesResponse* response) override;

 private:
  grpc::Status Start(grpc::ServerContext* context, absl::StatusOr<NewAttempt> wanted, StartOptions options, v1::Attempt* response);

  const Parts p_;
};

}  // namespace flattone::gateway
