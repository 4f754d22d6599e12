// The fleet's own sandbox PSP in its own dialect (tools/sandbox-psp/README.md): one JSON request per operation, our
// attempt id as the reference, declines with HTTP 200, a fence by reference that also stops a request which is
// still on its way.
#pragma once

#include <string>
#include <vector>

#include "services/gateway-adapter/psp/exchange.h"
#include "services/gateway-adapter/psp/psp.h"

namespace flattone::gateway {

class SandboxAdapter final : public PspAdapter {
 public:
  // `client` outlives the adapter.
  SandboxAdapter(PspEndpoint endpoint, http::HttpClient& client) : endpoint_(std::move(endpoint)), client_(client) {}

  const std::vector<std::string>& credential_fields() const override;
  SendResult Send(const SendRequest& request) override;
  AskResult Ask(const Attempt& attempt, const Credentials& credentials) override;
  FenceResult Fence(const Attempt& attempt, const Credentials& credentials) override;

 private:
  SendResult Authorise(const SendRequest& request);
  SendResult Change(const SendRequest& request, const char* verb);
  Exchange Post(const Credentials& credentials, const std::string& target, const std::string& key, std::span<const uint8_t> body,
                std::function<void()> on_connected = nullptr);
  Exchange Get(const Credentials& credentials, const std::string& target);

  const PspEndpoint endpoint_;
  http::HttpClient& client_;
};

}  // namespace flattone::gateway
