// What the domain asks of other services. Production: grpc clients with pinned identities (grpc_ports.h);
// tests: fakes that keep the same promises (fakes.h).
//
// `address` is host:port of the one replica that is meant. Statuses carry the other service's ErrorDetail;
// UNAVAILABLE and DEADLINE_EXCEEDED say that nobody knows whether it happened.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "flattone/gateway/v1/gateway.pb.h"
#include "flattone/media/v1/media.pb.h"
#include "flattone/vault/v1/vault.pb.h"
#include "libs/base/error.h"

namespace flattone::session {

struct CallMeta {
  std::string traceparent;
  absl::Duration timeout = absl::Seconds(3);
  // Somebody waits for the answer: a neighbour that is just not connected is waited for a moment (rpc::kReconnect). Otherwise
  // that is told at once, for work that tries again by itself.
  bool attended = false;
};

class RelayPort {
 public:
  virtual ~RelayPort() = default;
  virtual absl::StatusOr<media::v1::FindCallResponse> FindCall(const std::string& address, const media::v1::FindCallRequest& request, const CallMeta& meta) = 0;
  virtual absl::StatusOr<media::v1::StartSecureResponse> StartSecure(const std::string& address, const media::v1::StartSecureRequest& request, const CallMeta& meta) = 0;
  virtual absl::StatusOr<media::v1::StopSecureResponse> StopSecure(const std::string& address, const media::v1::StopSecureRequest& request, const CallMeta& meta) = 0;
};

// A running watch; destroying it ends it, and no callback runs after the destructor.
class Watch {
 public:
  virtual ~Watch() = default;
};

class VaultPort {
 public:
  using OnStatus = std::function<void(const vault::v1::CaptureStatus&)>;
  using OnEnd = std::function<void(const absl::Status&)>;
  virtual ~VaultPort() = default;
  // Any vault replica; the handle in the answer names it.
  virtual absl::StatusOr<vault::v1::OpenCaptureResponse> OpenCapture(const vault::v1::OpenCaptureRequest& request, const CallMeta& meta) = 0;
  virtual absl::StatusOr<vault::v1::CaptureStatus> RestartField(const std::string& address, const vault::v1::RestartFieldRequest& request, const CallMeta& meta) = 0;
  virtual absl::StatusOr<vault::v1::CaptureStatus> UndoKey(const std::string& address, const vault::v1::UndoKeyRequest& request, const CallMeta& meta) = 0;
  virtual absl::StatusOr<vault::v1::CaptureStatus> SubmitField(const std::string& address, const vault::v1::SubmitFieldRequest& request, const CallMeta& meta) = 0;
  virtual absl::StatusOr<vault::v1::CaptureStatus> CancelCapture(const std::string& address, const vault::v1::CancelCaptureRequest& request, const CallMeta& meta) = 0;
  virtual absl::StatusOr<vault::v1::TokeniseResponse> Tokenise(const std::string& address, const vault::v1::TokeniseRequest& request, const CallMeta& meta) = 0;
  // Callbacks come one at a time, on a thread of the port; `end` is the last.
  virtual std::unique_ptr<Watch> WatchCapture(const std::string& address, const vault::v1::WatchCaptureRequest& request, OnStatus status, OnEnd end) = 0;
};

class GatewayPort {
 public:
  virtual ~GatewayPort() = default;
  virtual absl::StatusOr<gateway::v1::Attempt> Authorise(const gateway::v1::AuthoriseRequest& request, const CallMeta& meta) = 0;
  virtual absl::StatusOr<gateway::v1::Attempt> CapturePayment(const gateway::v1::CapturePaymentRequest& request, const CallMeta& meta) = 0;
  virtual absl::StatusOr<gateway::v1::Attempt> VoidPayment(const gateway::v1::VoidPaymentRequest& request, const CallMeta& meta) = 0;
  virtual absl::StatusOr<gateway::v1::Attempt> RefundPayment(const gateway::v1::RefundPaymentRequest& request, const CallMeta& meta) = 0;
  virtual absl::StatusOr<gateway::v1::ListOutcomesResponse> ListOutcomes(const gateway::v1::ListOutcomesRequest& request, const CallMeta& meta) = 0;
};

// Whether an error may pass by itself: the worker tries again.
inline bool IsTransient(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable: case absl::StatusCode::kDeadlineExceeded: case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled: case absl::StatusCode::kUnknown: case absl::StatusCode::kInternal:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

// Whether the neighbour itself said no, for good. A refusal without its ErrorDetail comes from something in between (a replica that
// is set up wrongly, a proxy) and says nothing about what became of the request.
inline bool IsAnswer(const absl::Status& status) { return !IsTransient(status) && DetailOf(status).has_value(); }

}  // namespace flattone::session
