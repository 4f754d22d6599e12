// The webhook methods of SessionService, inside the transaction that the dispatcher opened (with the
// idempotency row in it). Credentials, roles and idempotency are the dispatcher's; what an
// endpoint is, its address rules, secrets and deliveries are decided here. Implemented by webhook/.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "flattone/session/v1/session.pb.h"
#include "libs/storage/database.h"
#include "services/session-orchestration/store/world.h"

namespace flattone::session {

class WebhookApi {
 public:
  virtual ~WebhookApi() = default;
  // Answers carry the secret where the contract shows it; the dispatcher leaves it out of what it stores.
  virtual absl::StatusOr<v1::WebhookEndpoint> Create(storage::Transaction& tx, const World& world, absl::Time now,
                                                     const v1::CreateWebhookEndpointRequest& request) = 0;
  virtual absl::StatusOr<v1::WebhookEndpoint> Get(storage::Transaction& tx, const World& world,
                                                  const v1::GetWebhookEndpointRequest& request) = 0;
  virtual absl::StatusOr<v1::ListWebhookEndpointsResponse> List(storage::Transaction& tx, const World& world,
                                                                const v1::ListWebhookEndpointsRequest& request) = 0;
  virtual absl::StatusOr<v1::WebhookEndpoint> Update(storage::Transaction& tx, const World& world, absl::Time now,
                                                     const v1::UpdateWebhookEndpointRequest& request) = 0;
  virtual absl::StatusOr<v1::DeleteWebhookEndpointResponse> Delete(storage::Transaction& tx, const World& world,
                                                                   const v1::DeleteWebhookEndpointRequest& request) = 0;
  virtual absl::StatusOr<v1::WebhookEndpoint> RotateSecret(storage::Transaction& tx, const World& world, absl::Time now,
                                                           const v1::RotateWebhookSecretRequest& request) = 0;
  virtual absl::StatusOr<v1::ListWebhookDeliveriesResponse> ListDeliveries(storage::Transaction& tx, const World& world,
                                                                           const v1::ListWebhookDeliveriesRequest& request) = 0;
  virtual absl::StatusOr<v1::ReplayWebhookDeliveriesResponse> Replay(storage::Transaction& tx, const World& world, absl::Time now,
                                                                     const v1::ReplayWebhookDeliveriesRequest& request) = 0;
};

}  // namespace flattone::session
