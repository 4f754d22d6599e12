// Webhook endpoints as tenants see them: made, listed, changed, their secrets rotated, their deliveries shown and
// replayed. Inside the caller's transaction; everything is scoped by tenant and mode.
#pragma once

#include "libs/base/random.h"
#include "libs/http/address.h"
#include "services/session-orchestration/webhook/secret_box.h"
#include "services/session-orchestration/webhook/webhook_api.h"

namespace flattone::session {

class Endpoints final : public WebhookApi {
 public:
  static constexpr int kMaxEndpoints = 20;   // of one tenant and mode
  static constexpr int kMaxOldSecrets = 5;   // of one endpoint that still sign

  // All outlive it. `policy`: which literal addresses are refused at once; names are checked on every try.
  Endpoints(const SecretBox& box, Random& random, const http::AddressPolicy& policy) : box_(box), random_(random), policy_(policy) {}

  absl::StatusOr<v1::WebhookEndpoint> Create(storage::Transaction& tx, const World& world, absl::Time now,
                                             const v1::CreateWebhookEndpointRequest& request) override;
  absl::StatusOr<v1::WebhookEndpoint> Get(storage::Transaction& tx, const World& world,
                                          const v1::GetWebhookEndpointRequest& request) override;
  absl::StatusOr<v1::ListWebhookEndpointsResponse> List(storage::Transaction& tx, const World& world,
                                                        const v1::ListWebhookEndpointsRequest& request) override;
  absl::StatusOr<v1::WebhookEndpoint> Update(storage::Transaction& tx, const World& world, absl::Time now,
                                             const v1::UpdateWebhookEndpointRequest& request) override;
  absl::StatusOr<v1::DeleteWebhookEndpointResponse> Delete(storage::Transaction& tx, const World& world,
                                                           const v1::DeleteWebhookEndpointRequest& request) override;
  absl::StatusOr<v1::WebhookEndpoint> RotateSecret(storage::Transaction& tx, const World& world, absl::Time now,
                                                   const v1::RotateWebhookSecretRequest& request) override;
  absl::StatusOr<v1::ListWebhookDeliveriesResponse> ListDeliveries(storage::Transaction& tx, const World& world,
                                                                   const v1::ListWebhookDeliveriesRequest& request) override;
  absl::StatusOr<v1::ReplayWebhookDeliveriesResponse> Replay(storage::Transaction& tx, const World& world, absl::Time now,
                                                             const v1::ReplayWebhookDeliveriesRequest& request) override;

 private:
  absl::Status Check(const v1::WebhookEndpoint& endpoint) const;
  absl::Status KeepOldSecret(storage::Transaction& tx, const World& world, absl::Time now, const std::string& id,
                             const std::string& sealed);

  const SecretBox& box_;
  Random& random_;
  const http::AddressPolicy& policy_;
};

}  // namespace flattone::session
