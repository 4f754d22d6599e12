// Sessions: create, read, list, what the next payment is for, agent tokens, cancel, end.
// Credentials and roles have been checked (grpc/dispatcher.cc). Any thread; each call is one transaction.
#pragma once

#include "absl/status/statusor.h"
#include "flattone/session/v1/session.pb.h"
#include "services/session-orchestration/session/context.h"
#include "services/session-orchestration/store/rows.h"

namespace flattone::session {

// The session as clients see it: with its payments.
absl::StatusOr<v1::Session> Shown(storage::Transaction& tx, const SessionRow& row);

class SessionService {
 public:
  explicit SessionService(const Domain& domain) : domain_(domain) {}

  absl::StatusOr<v1::Session> Create(const Change& change, const v1::CreateSessionRequest& request);
  absl::StatusOr<v1::Session> Get(const World& world, const v1::GetSessionRequest& request);
  absl::StatusOr<v1::ListSessionsResponse> List(const World& world, const v1::ListSessionsRequest& request);
  absl::StatusOr<v1::Session> SetIntent(const Change& change, const v1::SetIntentRequest& request);
  absl::StatusOr<v1::Session> Cancel(const Change& change, const v1::CancelSessionRequest& request);
  absl::StatusOr<v1::Session> End(const Change& change, const v1::EndSessionRequest& request);
  // `key_id`: the key that asks; the token dies with it.
  absl::StatusOr<v1::AgentToken> CreateAgentToken(const Change& change, const std::string& key_id, const v1::CreateAgentTokenRequest& request);

 private:
  absl::StatusOr<v1::Session> Finish(const Change& change, const std::string& id, SessionAction action, std::string_view reason);
  const Domain& domain_;
};

}  // namespace flattone::session
