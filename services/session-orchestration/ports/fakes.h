// Relay, vault and gateway-adapter in memory, with the promises of their contracts that the domain relies on:
// a capture opens once, an operation id is one attempt, outcomes are listed in order. For tests; thread-safe.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/error.h"
#include "services/session-orchestration/ports/ports.h"

namespace flattone::session::testing {

inline absl::Status NotThere(const char* code) {
  return Refusal(absl::StatusCode::kNotFound, {.code = code, .field = {}, .limit = {}, .fix = {}}, "not there");
}

inline absl::Status Refused(const char* code) {
  return Refusal(absl::StatusCode::kFailedPrecondition, {.code = code, .field = {}, .limit = {}, .fix = {}}, "refused");
}

class FakeRelays final : public RelayPort {
 public:
  absl::StatusOr<media::v1::FindCallResponse> FindCall(const std::string&, const media::v1::FindCallRequest& request, const CallMeta&) override {
    std::lock_guard lock(mutex);
    if (calls.count(request.tenant_id() + "/" + request.call_reference()) == 0) return NotThere("call_not_found");
    media::v1::FindCallResponse response;
    response.mutable_call()->set_call_id("call_" + request.call_reference());
    return response;
  }
  absl::StatusOr<media::v1::StartSecureResponse> StartSecure(const std::string&, const media::v1::StartSecureRequest& request, const CallMeta&) override {
    std::lock_guard lock(mutex);
    if (!start_error.ok()) return start_error;
    started.push_back(request.capture_id());
    media::v1::StartSecureResponse response;
    response.set_state(media::v1::SECURE_STATE_SECURE);
    return response;
  }
  absl::StatusOr<media::v1::StopSecureResponse> StopSecure(const std::string&, const media::v1::StopSecureRequest& request, const CallMeta&) override {
    std::lock_guard lock(mutex);
    if (!stop_error.ok()) return stop_error;
    stopped.push_back(request.capture_id());
    media::v1::StopSecureResponse response;
    response.set_state(stop_state);
    return response;
  }
  std::mutex mutex;
  std::set<std::string> calls;  // "tenant/reference"
  std::vector<std::string> started, stopped;
  absl::Status start_error, stop_error;
  media::v1::SecureState stop_state = media::v1::SECURE_STATE_STOPPING;
};

class FakeVault final : public VaultPort {
 public:
  absl::StatusOr<vault::v1::OpenCaptureResponse> OpenCapture(const vault::v1::OpenCaptureRequest& request, const CallMeta&) override {
    std::lock_guard lock(mutex);
    if (!open_error.ok()) return open_error;
    vault::v1::CaptureStatus& status = captures[request.capture_id()];
    status.set_capture_id(request.capture_id());
    status.set_state(vault::v1::CAPTURE_STATE_COLLECTING);
    status.set_revision(1);
    opened.push_back(request);
    for (const auto& rule : request.rules().fields()) status.add_fields()->set_field(rule.field());
    vault::v1::OpenCaptureResponse response;
    *response.mutable_status() = status;
    response.mutable_handle()->set_capture_id(request.capture_id());
    response.mutable_handle()->set_vault_address("vault-1:7003");
    response.mutable_handle()->set_replica_id("r1");
    return response;
  }
  absl::StatusOr<vault::v1::CaptureStatus> RestartField(const std::string&, const vault::v1::RestartFieldRequest& r, const CallMeta&) override {
    return Change(r.capture_id(), vault::v1::CAPTURE_STATE_COLLECTING);
  }
  absl::StatusOr<vault::v1::CaptureStatus> UndoKey(const std::string&, const vault::v1::UndoKeyRequest& r, const CallMeta&) override {
    return Change(r.capture_id(), vault::v1::CAPTURE_STATE_COLLECTING);
  }
  absl::StatusOr<vault::v1::CaptureStatus> SubmitField(const std::string&, const vault::v1::SubmitFieldRequest& r, const CallMeta&) override {
    return Change(r.capture_id(), vault::v1::CAPTURE_STATE_COMPLETE);
  }
  absl::StatusOr<vault::v1::CaptureStatus> CancelCapture(const std::string&, const vault::v1::CancelCaptureRequest& r, const CallMeta&) override {
    if (!cancel_error.ok()) return cancel_error;
    cancelled.push_back(r.capture_id());
    return Change(r.capture_id(), vault::v1::CAPTURE_STATE_CANCELLED);
  }
  absl::StatusOr<vault::v1::TokeniseResponse> Tokenise(const std::string&, const vault::v1::TokeniseRequest& r, const CallMeta&) override {
    if (auto meanwhile = std::exchange(on_tokenise, nullptr)) meanwhile();
    std::lock_guard lock(mutex);
    if (!tokenise_error.ok()) return tokenise_error;
    if (captures.count(r.capture_id()) == 0) return NotThere("capture_lost");
    vault::v1::TokeniseResponse response;
    response.mutable_token()->set_token_id("tok_" + r.capture_id());
    response.mutable_token()->set_brand(common::v1::CARD_BRAND_VISA);
    response.mutable_token()->set_last_four("4242");
    response.mutable_token()->set_security_code_held(true);
    response.mutable_token()->set_vault_address("vault-1:7003");
    return response;
  }
  std::unique_ptr<Watch> WatchCapture(const std::string&, const vault::v1::WatchCaptureRequest&, OnStatus, OnEnd end) override {
    ++watch_calls;
    if (!watch_error.ok()) end(watch_error);  // as fast as an end can come
    return std::make_unique<Watch>();
  }
  // A change as the caller's keys make it.
  absl::StatusOr<vault::v1::CaptureStatus> Change(const std::string& id, vault::v1::CaptureState state) {
    std::lock_guard lock(mutex);
    auto found = captures.find(id);
    if (found == captures.end()) return NotThere("capture_lost");
    found->second.set_state(state);
    found->second.set_revision(found->second.revision() + 1);
    return found->second;
  }
  std::mutex mutex;
  std::map<std::string, vault::v1::CaptureStatus> captures;
  std::vector<std::string> cancelled;
  std::vector<vault::v1::OpenCaptureRequest> opened;
  absl::Status open_error, tokenise_error, cancel_error, watch_error;
  std::atomic<int> watch_calls{0};
  std::function<void()> on_tokenise;  // once: what happens elsewhere meanwhile
};

class FakeGateway final : public GatewayPort {
 public:
  absl::StatusOr<gateway::v1::Attempt> Authorise(const gateway::v1::AuthoriseRequest& r, const CallMeta&) override {
    if (on_authorise) on_authorise();
    std::lock_guard lock(mutex);
    if (!error.ok()) return error;
    ++authorise_calls;
    auto [found, made] = attempts.try_emplace(r.operation_id());
    if (made) {
      gateway::v1::Attempt& attempt = found->second = script;
      attempt.set_operation(gateway::v1::OPERATION_AUTHORISE);
      attempt.set_captured(r.capture_now());
      *attempt.mutable_amount() = r.amount();
      Begin(attempt, r.tenant_id(), r.payment_id(), r.operation_id());
      charged.insert(r.payment_id());
    }
    return found->second;
  }
  absl::StatusOr<gateway::v1::Attempt> CapturePayment(const gateway::v1::CapturePaymentRequest& r, const CallMeta&) override {
    return Other(r, gateway::v1::OPERATION_CAPTURE, r.amount());
  }
  absl::StatusOr<gateway::v1::Attempt> VoidPayment(const gateway::v1::VoidPaymentRequest& r, const CallMeta&) override {
    {
      std::lock_guard lock(mutex);
      voids.insert(r.payment_id());
      bool authorised = false;
      for (auto& [id, attempt] : attempts) {
        if (attempt.payment_id() != r.payment_id() || attempt.operation() != gateway::v1::OPERATION_AUTHORISE) continue;
        if (attempt.outcome() != gateway::v1::OUTCOME_ANSWERED) return attempt;  // marks an open authorisation
        if (attempt.captured()) return Refused("already_captured");
        authorised = true;
      }
      if (!authorised) return Refused("not_authorised");
    }
    return Other(r, gateway::v1::OPERATION_VOID, {});
  }
  absl::StatusOr<gateway::v1::Attempt> RefundPayment(const gateway::v1::RefundPaymentRequest& r, const CallMeta&) override {
    return Other(r, gateway::v1::OPERATION_REFUND, r.amount());
  }
  absl::StatusOr<gateway::v1::ListOutcomesResponse> ListOutcomes(const gateway::v1::ListOutcomesRequest& r, const CallMeta&) override {
    std::lock_guard lock(mutex);
    gateway::v1::ListOutcomesResponse response;
    for (size_t i = static_cast<size_t>(r.after_position()); i < outbox.size(); ++i) {
      auto* change = response.add_changes();
      change->set_position(static_cast<int64_t>(i) + 1);
      *change->mutable_attempt() = outbox[i];
    }
    return response;
  }
  // The attempt of a payment's authorisation changes; the outbox tells.
  void Resolve(const std::string& payment_id, gateway::v1::Outcome outcome, gateway::v1::Answer answer) {
    std::lock_guard lock(mutex);
    for (auto& [id, attempt] : attempts) {
      if (attempt.payment_id() != payment_id || attempt.operation() != gateway::v1::OPERATION_AUTHORISE) continue;
      attempt.set_outcome(outcome);
      attempt.set_answer(answer);
      attempt.set_version(attempt.version() + 1);
      outbox.push_back(attempt);
    }
  }
  static gateway::v1::Attempt Approved() {
    gateway::v1::Attempt attempt;
    attempt.set_outcome(gateway::v1::OUTCOME_ANSWERED);
    attempt.set_answer(gateway::v1::ANSWER_APPROVED);
    attempt.set_psp("sandbox");
    attempt.set_psp_reference("psp_1");
    attempt.set_authorisation_code("A1B2C3");
    return attempt;
  }
  std::mutex mutex;
  gateway::v1::Attempt script = Approved();  // what the next authorisation answers
  std::deque<gateway::v1::Attempt> other_scripts;  // what the next captures, voids and refunds answer; then: approved
  std::function<void()> on_authorise;  // as it comes in; may block
  absl::Status error;
  int authorise_calls = 0;
  std::set<std::string> charged, voids;
  std::map<std::string, gateway::v1::Attempt> attempts;  // by operation id
  std::vector<gateway::v1::Attempt> outbox;

 private:
  void Begin(gateway::v1::Attempt& attempt, const std::string& tenant, const std::string& payment, const std::string& operation) {
    attempt.set_attempt_id("att_" + operation);
    attempt.set_tenant_id(tenant);
    attempt.set_payment_id(payment);
    attempt.set_operation_id(operation);
    attempt.set_version(1);
    outbox.push_back(attempt);
  }
  template <typename R>
  absl::StatusOr<gateway::v1::Attempt> Other(const R& r, gateway::v1::Operation operation, const common::v1::Money& amount) {
    std::lock_guard lock(mutex);
    if (!error.ok()) return error;
    auto [found, made] = attempts.try_emplace(r.operation_id());
    if (made) {
      found->second = Approved();
      if (!other_scripts.empty()) {
        found->second = other_scripts.front();
        other_scripts.pop_front();
      }
      found->second.set_operation(operation);
      if (amount.amount_minor() != 0) *found->second.mutable_amount() = amount;
      Begin(found->second, r.tenant_id(), r.payment_id(), r.operation_id());
    }
    return found->second;
  }
};

}  // namespace flattone::session::testing
