// Everything that webhooks need, put together: the key that seals their secrets, the addresses that they may reach, the
// endpoints' API, the sender of the worker role.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/base/gate.h"
#include "libs/base/random.h"
#include "libs/crypto/file_key_store.h"
#include "libs/http/address.h"
#include "libs/http/client.h"
#include "libs/obs/metrics.h"
#include "libs/storage/database.h"
#include "services/session-orchestration/config.h"
#include "services/session-orchestration/webhook/endpoints.h"
#include "services/session-orchestration/webhook/secret_box.h"
#include "services/session-orchestration/webhook/sender.h"

namespace flattone::session {

class Webhooks {
 public:
  struct Parts {
    storage::Database& database;
    const Clock& clock;
    Random& random;
    const Gates& gates;
    obs::Registry& registry;
    std::string replica;  // unique
  };
  // Errors name the setting that is wrong. The parts outlive it.
  static absl::StatusOr<std::unique_ptr<Webhooks>> Make(const Config& config, const Parts& parts);

  WebhookApi* api() { return &endpoints_; }
  // Nothing happens in the role `api`.
  void Start();
  void Stop();

 private:
  Webhooks(const Config& config, const Parts& parts, std::unique_ptr<crypto::FileKeyStore> keys, http::AddressPolicy policy);

  std::unique_ptr<crypto::FileKeyStore> keys_;
  SecretBox box_;
  std::shared_ptr<const http::AddressPolicy> policy_;
  Endpoints endpoints_;
  http::HttpClient client_;
  Sender sender_;
  const bool sends_;
};

}  // namespace flattone::session
