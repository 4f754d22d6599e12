// Every call of the public API, whichever door it came through: who asks, may they, once, then the service.
//
// The table in method_rules.cc names for each method the roles and the agent action that open it, and whether it
// changes something. A method without a row is UNIMPLEMENTED. Streams are pulled (rest/dispatcher.h) and
// check their credential again at every pull.
#pragma once

#include <memory>
#include <string>

#include "libs/obs/log.h"
#include "libs/obs/metrics.h"
#include "services/session-orchestration/rest/dispatcher.h"
#include "services/session-orchestration/session/capture_service.h"
#include "services/session-orchestration/session/session_service.h"
#include "services/session-orchestration/payment/payment_service.h"
#include "services/session-orchestration/tenant/credentials.h"
#include "services/session-orchestration/tenant/platform.h"
#include "services/session-orchestration/webhook/webhook_api.h"

namespace flattone::session {

class SessionDispatcher final : public RpcDispatcher {
 public:
  struct Parts {
    const Domain& domain;
    SessionService& sessions;
    CaptureService& captures;
    PaymentService& payments;
    PlatformStore& platforms;
    WebhookApi* webhooks;  // nullptr: the webhook methods answer UNIMPLEMENTED
    obs::Registry& metrics;
    obs::Logger& log;
  };
  explicit SessionDispatcher(const Parts& parts);

  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> Call(const std::string& method, const google::protobuf::Message& request,
                                                                  const CallContext& context) override;
  absl::StatusOr<std::unique_ptr<RpcStream>> OpenStream(const std::string& method, const google::protobuf::Message& request,
                                                        const std::string& last_event_id, const CallContext& context) override;

 private:
  using MessagePtr = std::unique_ptr<google::protobuf::Message>;
  // What the caller hears of a failure: all of a refusal; of our own trouble only that it is one, the reason goes to the log.
  absl::Status ForCaller(const std::string& name, const CallContext& context, const absl::Status& status);
  absl::StatusOr<std::unique_ptr<RpcStream>> NewStream(const std::string& name, const google::protobuf::Message& request,
                                                       const std::string& last_event_id, const CallContext& context);
  absl::StatusOr<Caller> Admit(const std::string& name, const google::protobuf::Message& request, const CallContext& context);
  absl::StatusOr<MessagePtr> Run(const std::string& name, const google::protobuf::Message& request, const Caller& caller, const Change& change);
  absl::StatusOr<MessagePtr> RunSession(const std::string& name, const google::protobuf::Message& request, const Caller& caller, const Change& change);
  absl::StatusOr<MessagePtr> RunPayment(const std::string& name, const google::protobuf::Message& request, const Caller& caller, const Change& change);
  absl::StatusOr<MessagePtr> RunWebhook(const std::string& name, const google::protobuf::Message& request, const Caller& caller, const Change& change);
  absl::StatusOr<MessagePtr> RunPlatform(const std::string& name, const google::protobuf::Message& request, const Caller& caller, const Change& change);

  Parts parts_;
  obs::CounterFamily calls_, refusals_;
};

}  // namespace flattone::session
