#include "services/session-orchestration/webhook_wiring.h"

#include <utility>

#include "libs/base/error.h"

namespace flattone::session {
namespace {

absl::StatusOr<std::unique_ptr<crypto::FileKeyStore>> OpenKeys(const Config& config, Random& random) {
  if (config.key_file.empty())
    return InvalidField("key-file", "is empty", "the file of the key-encryption key; --key-file-create makes it");
  return crypto::FileKeyStore::OpenOrCreate(config.key_file, config.key_file_create, random);
}

absl::StatusOr<http::AddressPolicy> MakePolicy(const Config& config) {
  std::vector<http::Cidr> exceptions;
  for (const std::string& text : config.webhook_allow_cidr) {
    auto cidr = http::Cidr::Parse(text);
    if (!cidr.ok()) return InvalidField("webhook-allow-cidr", "is " + text, "a list of ranges such as 10.1.0.0/16");
    exceptions.push_back(*cidr);
  }
  return http::AddressPolicy::PublicOnly(std::move(exceptions));
}

http::ClientOptions ClientOf(const Config& config) {
  http::ClientOptions options;
  options.ca_file = config.webhook_ca;
  options.helper_threads = SenderOptions().in_flight;  // names that nobody answers for hold up no other's look-up
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Webhooks>> Webhooks::Make(const Config& config, const Parts& parts) {
  auto keys = OpenKeys(config, parts.random);
  if (!keys.ok()) return keys.status();
  auto policy = MakePolicy(config);
  if (!policy.ok()) return policy.status();
  std::unique_ptr<Webhooks> webhooks(new Webhooks(config, parts, std::move(*keys), std::move(*policy)));
  if (absl::Status ready = webhooks->client_.Ready(); !ready.ok()) return ready;
  return webhooks;
}

Webhooks::Webhooks(const Config& config, const Parts& parts, std::unique_ptr<crypto::FileKeyStore> keys, http::AddressPolicy policy)
    : keys_(std::move(keys)), box_(*keys_), policy_(std::make_shared<const http::AddressPolicy>(std::move(policy))),
      endpoints_(box_, parts.random, *policy_), client_(ClientOf(config)),
      sender_({.owner = parts.replica},
              {parts.database, client_, box_, parts.clock, parts.random, parts.gates, parts.registry, policy_}),
      sends_(config.role != "api") {}

void Webhooks::Start() {
  if (sends_) sender_.Start();
}

void Webhooks::Stop() {
  if (sends_) sender_.Stop();
}

}  // namespace flattone::session
