#include "services/gateway-adapter/grpc/payment_service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/rpc/call.h"
#include "libs/rpc/status.h"
#include "services/gateway-adapter/grpc/checks.h"
#include "services/gateway-adapter/outbox/encode.h"

namespace flattone::gateway {
namespace {

template <typename Request>
StartOptions WaitOf(const Request& request) {
  StartOptions options;
  if (request.wait_ms() > 0) options.wait = absl::Milliseconds(request.wait_ms());
  return options;
}

}  // namespace

// The caller's time bounds only how long it waits: the attempt goes on without it.
grpc::Status PaymentGrpcService::Start(grpc::ServerContext* context, absl::StatusOr<NewAttempt> wanted, StartOptions options,
                                       v1::Attempt* response) {
  if (!wanted.ok()) return rpc::ToGrpc(wanted.status(), context);
  const rpc::CallInfo call = rpc::InfoOf(*context, p_.random);
  const absl::Duration left = call.deadline - p_.clock.Now() - absl::Milliseconds(50);  // so that PENDING still arrives
  options.wait = std::max(absl::ZeroDuration(), std::min(options.wait, left));
  wanted->traceparent = call.trace.Traceparent();
  auto attempt = p_.runner.Start(*wanted, options);
  if (!attempt.ok()) return rpc::ToGrpc(attempt.status(), context);
  ToProto(*attempt, response);
  return grpc::Status::OK;
}

grpc::Status PaymentGrpcService::Authorise(grpc::ServerContext* context, const v1::AuthoriseRequest* request, v1::Attempt* response) {
  StartOptions options = WaitOf(*request);
  options.security_code_required = request->security_code_required();
  return Start(context, Check(*request), options, response);
}

grpc::Status PaymentGrpcService::CapturePayment(grpc::ServerContext* context, const v1::CapturePaymentRequest* request, v1::Attempt* response) {
  return Start(context, Check(*request), WaitOf(*request), response);
}

grpc::Status PaymentGrpcService::VoidPayment(grpc::ServerContext* context, const v1::VoidPaymentRequest* request, v1::Attempt* response) {
  return Start(context, Check(*request), WaitOf(*request), response);
}

grpc::Status PaymentGrpcService::RefundPayment(grpc::ServerContext* context, const v1::RefundPaymentRequest* request, v1::Attempt* response) {
  return Start(context, Check(*request), WaitOf(*request), response);
}

grpc::Status PaymentGrpcService::ListAttempts(grpc::ServerContext* context, const v1::ListAttemptsRequest* request,
                                              v1::ListAttemptsResponse* response) {
  absl::Status status = CheckText("tenant_id", request->tenant_id());
  if (status.ok()) status = CheckText("payment_id", request->payment_id());
  if (!status.ok()) return rpc::ToGrpc(status, context);
  auto attempts = p_.ledger.OfPayment(request->tenant_id(), request->payment_id());
  if (!attempts.ok()) return rpc::ToGrpc(attempts.status(), context);
  for (const Attempt& attempt : *attempts) ToProto(attempt, response->add_attempts());
  return grpc::Status::OK;
}

grpc::Status PaymentGrpcService::ListOutcomes(grpc::ServerContext* context, const v1::ListOutcomesRequest* request,
                                              v1::ListOutcomesResponse* response) {
  auto page_size = CheckPageSize(request->page_size());
  if (!page_size.ok()) return rpc::ToGrpc(page_size.status(), context);
  if (request->after_position() < 0) {
    return rpc::ToGrpc(InvalidField("after_position", absl::StrCat("is ", request->after_position()), "0 or a position"), context);
  }
  const rpc::CallInfo call = rpc::InfoOf(*context, p_.random);
  const absl::Duration left = call.deadline - p_.clock.Now() - absl::Milliseconds(50);
  const absl::Duration wait = std::min(absl::Milliseconds(std::min(request->wait_ms(), 30'000u)), left);
  auto changes = p_.outbox.Read(request->after_position(), *page_size, std::max(wait, absl::ZeroDuration()));
  if (!changes.ok()) return rpc::ToGrpc(changes.status(), context);
  if (!changes->empty()) p_.gates.Reach("orchestrator_not_told");
  for (const OutcomeRow& row : *changes) {
    v1::OutcomeChange* change = response->add_changes();
    change->set_position(row.position);
    if (!change->mutable_attempt()->ParseFromString(row.body)) {
      return rpc::ToGrpc(absl::DataLossError(absl::StrCat("outcome ", row.position, " is damaged")), context);
    }
  }
  return grpc::Status::OK;
}

}  // namespace flattone::gateway
