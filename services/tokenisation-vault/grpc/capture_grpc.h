// CaptureService: proto to domain, for the orchestrator. Unary calls are synchronous, since tokenising waits for
// a commit that it shares with others; watching is a reactor, since thousands of captures are watched at once.
#pragma once

#include "flattone/vault/v1/vault.grpc.pb.h"
#include "libs/base/random.h"
#include "libs/obs/log.h"
#include "services/tokenisation-vault/service/captures.h"

namespace flattone::vault {

class CaptureGrpcService final
    : public v1::CaptureService::WithCallbackMethod_WatchCapture<v1::CaptureService::Service> {
 public:
  CaptureGrpcService(Captures& captures, HeldCodes& codes, Random& random, obs::Logger& log)
      : captures_(captures), codes_(codes), random_(random), log_(log) {}

  grpc::Status OpenCapture(grpc::ServerContext*, const v1::OpenCaptureRequest*, v1::OpenCaptureResponse*) override;
  grpc::Status GetCapture(grpc::ServerContext*, const v1::GetCaptureRequest*, v1::CaptureStatus*) override;
  grpc::ServerWriteReactor<v1::CaptureStatus>* WatchCapture(grpc::CallbackServerContext*, const v1::WatchCaptureRequest*) override;
  grpc::Status RestartField(grpc::ServerContext*, const v1::RestartFieldRequest*, v1::CaptureStatus*) override;
  grpc::Status UndoKey(grpc::ServerContext*, const v1::UndoKeyRequest*, v1::CaptureStatus*) override;
  grpc::Status SubmitField(grpc::ServerContext*, const v1::SubmitFieldRequest*, v1::CaptureStatus*) override;
  grpc::Status CancelCapture(grpc::ServerContext*, const v1::CancelCaptureRequest*, v1::CaptureStatus*) override;
  grpc::Status Tokenise(grpc::ServerContext*, const v1::TokeniseRequest*, v1::TokeniseResponse*) override;

 private:
  template <typename Request>
  grpc::Status Act(grpc::ServerContext* context, const Request& request, v1::CaptureStatus* out,
                   absl::Status (Capture::*action)(Field, int, Moment));

  Captures& captures_;
  HeldCodes& codes_;
  Random& random_;
  obs::Logger& log_;
};

}  // namespace flattone::vault
