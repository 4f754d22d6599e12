// Stripe: a typed card, taken over the telephone (MOTO).
//
//   AUTHORISE   POST /v1/payment_methods          the raw card; nothing is charged
//               POST /v1/payment_intents          unconfirmed, metadata[reference]; nothing is charged
//               — the intent's id is committed —
//               POST /v1/payment_intents/ID/confirm   payment_method_options[card][moto]=true: money moves here
//   CAPTURE     POST /v1/payment_intents/ID/capture
//   VOID        POST /v1/payment_intents/ID/cancel
//   REFUND      POST /v1/refunds
//
// Every POST carries an idempotency key of its own. UNKNOWN: GET the intent (refunds: the list of its refunds);
// to fence an authorisation, cancel the intent. An attempt without an intent's id in the ledger never sent its
// confirm, because the id is committed first under the attempt's epoch.
#pragma once

#include <string>
#include <vector>

#include "services/gateway-adapter/psp/exchange.h"
#include "services/gateway-adapter/psp/psp.h"

namespace flattone::gateway {

class StripeAdapter final : public PspAdapter {
 public:
  // `client` outlives the adapter.
  StripeAdapter(PspEndpoint endpoint, http::HttpClient& client) : endpoint_(std::move(endpoint)), client_(client) {}

  const std::vector<std::string>& credential_fields() const override;
  SendResult Send(const SendRequest& request) override;
  AskResult Ask(const Attempt& attempt, const Credentials& credentials) override;
  FenceResult Fence(const Attempt& attempt, const Credentials& credentials) override;

 private:
  SendResult Authorise(const SendRequest& request);
  SendResult Capture(const SendRequest& request);
  SendResult Void(const SendRequest& request);
  SendResult Refund(const SendRequest& request);
  // The id of the new payment method, intent; empty, and `result` filled, when there is none.
  std::string MakeMethod(const SendRequest& request, SendResult& result);
  std::string MakeIntent(const SendRequest& request, SendResult& result);
  Exchange Post(const Attempt& attempt, const Credentials& credentials, const std::string& target, const char* step,
                std::span<const uint8_t> body, std::function<void()> on_connected = nullptr);
  Exchange Get(const Credentials& credentials, const std::string& target);
  AskResult AskRefund(const Attempt& attempt, const Credentials& credentials);

  const PspEndpoint endpoint_;
  http::HttpClient& client_;
};

}  // namespace flattone::gateway
