#include "services/session-orchestration/session/session_service.h"

#include "absl/strings/str_cat.h"
#include "services/session-orchestration/session/free_text.h"
#include "services/session-orchestration/session/lifecycle.h"
#include "services/session-orchestration/session/once.h"
#include "services/session-orchestration/session/validate.h"
#include "services/session-orchestration/store/page.h"
#include "services/session-orchestration/tenant/credentials.h"

namespace flattone::session {
namespace {

using storage::Transaction;

absl::StatusOr<v1::Tenant> TenantOf(Transaction& tx, const World& world) {
  auto rows = tx.Query("SELECT body FROM tenant WHERE id = $1", {world.tenant_id});
  if (!rows.ok()) return rows.status();
  v1::Tenant tenant;
  if (rows->empty() || !tenant.ParseFromString(rows->front().Bytes("body"))) return absl::NotFoundError("no such tenant");
  return tenant;
}

}  // namespace

absl::StatusOr<v1::Session> Shown(Transaction& tx, const SessionRow& row) {
  v1::Session session = row.body;
  auto payments = PaymentsOf(tx, row);
  if (!payments.ok()) return payments.status();
  for (PaymentRow& payment : *payments) *session.add_payments() = std::move(payment.body);
  return session;
}

absl::StatusOr<v1::Session> SessionService::Create(const Change& change, const v1::CreateSessionRequest& request) {
  return Once<v1::Session>(domain_, change, [&](Transaction& tx) -> absl::StatusOr<v1::Session> {
    auto tenant = TenantOf(tx, change.world);
    if (!tenant.ok()) return tenant.status();
    FT_TRY(CheckNewSession(request.session(), *tenant));
    SessionRow row;
    row.id = RandomId(domain_.random, "ses");
    row.tenant_id = change.world.tenant_id;
    row.mode = change.world.mode;
    row.created_us = domain_.NowUs();
    row.expires_us = row.created_us + absl::ToInt64Microseconds(domain_.session_timeout);
    row.body.set_id(row.id);
    row.body.set_mode(static_cast<common::v1::Mode>(row.mode));
    row.body.set_call_reference(request.session().call_reference());
    row.body.set_agent(request.session().agent());
    *row.body.mutable_intent() = request.session().intent();
    *row.body.mutable_capture() = request.session().capture();
    row.body.set_protection(v1::PROTECTION_OFF);
    row.body.set_created_at(TimeText(row.created_us));
    row.body.set_updated_at(row.body.created_at());
    row.SetState(SessionState::kCreated);
    FT_TRY(InsertSession(tx, row));
    FT_TRY(Tell(tx, domain_, row, {"session.created", change.actor, {}}));
    return row.body;
  });
}

absl::StatusOr<v1::Session> SessionService::Get(const World& world, const v1::GetSessionRequest& request) {
  v1::Session session;
  FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
    auto row = LoadSession(tx, world, request.session_id(), Lock::kNo);
    if (!row.ok()) return row.status();
    auto shown = Shown(tx, *row);
    if (!shown.ok()) return shown.status();
    session = *std::move(shown);
    return absl::OkStatus();
  }));
  return session;
}

absl::StatusOr<v1::ListSessionsResponse> SessionService::List(const World& world, const v1::ListSessionsRequest& request) {
  FT_TRY(CheckPageSize(request.page_size()));
  auto page = ReadPageToken(request.page_token());
  if (!page.ok()) return page.status();
  v1::ListSessionsResponse answer;
  FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
    answer.Clear();
    const int size = PageSize(request.page_size());
    auto rows = tx.Query(
        "SELECT id, created_us FROM session WHERE tenant_id = $1 AND mode = $2 AND ($3 = 0 OR state = $4) AND ($5 = '' OR call_reference = $6)"
        " AND (created_us < $7 OR (created_us = $8 AND id < $9)) ORDER BY created_us DESC, id DESC LIMIT $10",
        {world.tenant_id, world.mode, static_cast<int>(request.state()), static_cast<int>(request.state()), request.call_reference(),
         request.call_reference(), page->at, page->at, page->id, size + 1});
    if (!rows.ok()) return rows.status();
    for (const storage::Row& row : *rows) {
      if (answer.sessions_size() == size) {
        answer.set_next_page_token(PageToken({(*rows)[static_cast<size_t>(size) - 1].Int("created_us"), answer.sessions(size - 1).id()}));
        break;
      }
      auto session = LoadSession(tx, world, row.Text("id"), Lock::kNo);
      if (!session.ok()) return session.status();
      auto shown = Shown(tx, *session);
      if (!shown.ok()) return shown.status();
      *answer.add_sessions() = *std::move(shown);
    }
    return absl::OkStatus();
  }));
  return answer;
}

absl::StatusOr<v1::Session> SessionService::SetIntent(const Change& change, const v1::SetIntentRequest& request) {
  return Once<v1::Session>(domain_, change, [&](Transaction& tx) -> absl::StatusOr<v1::Session> {
    auto tenant = TenantOf(tx, change.world);
    if (!tenant.ok()) return tenant.status();
    auto row = LoadSession(tx, change.world, request.session_id(), Lock::kYes);
    if (!row.ok()) return row.status();
    FT_TRY(CheckIntent("intent", request.intent(), *tenant));
    if (!StepOf(row->state(), SessionAction::kSetIntent).allowed()) return RefusalOf(row->state(), SessionAction::kSetIntent);
    *row->body.mutable_intent() = request.intent();
    row->payment_id.clear();  // what is paid next is another payment
    row->body.set_updated_at(TimeText(domain_.NowUs()));
    FT_TRY(SaveSession(tx, *row));
    return Shown(tx, *row);
  });
}

absl::StatusOr<v1::Session> SessionService::Finish(const Change& change, const std::string& id, SessionAction action, std::string_view reason) {
  return Once<v1::Session>(domain_, change, [&](Transaction& tx) -> absl::StatusOr<v1::Session> {
    auto row = LoadSession(tx, change.world, id, Lock::kYes);
    if (!row.ok()) return row.status();
    FT_TRY(EndOrWait(tx, domain_, *row, action, reason, change.actor));
    return Shown(tx, *row);
  });
}

absl::StatusOr<v1::Session> SessionService::Cancel(const Change& change, const v1::CancelSessionRequest& request) {
  return Finish(change, request.session_id(), SessionAction::kCancel, "cancelled");
}

absl::StatusOr<v1::Session> SessionService::End(const Change& change, const v1::EndSessionRequest& request) {
  return Finish(change, request.session_id(), SessionAction::kEnd, "completed");
}

absl::StatusOr<v1::AgentToken> SessionService::CreateAgentToken(const Change& change, const std::string& key_id,
                                                                const v1::CreateAgentTokenRequest& request) {
  const uint32_t ttl = request.ttl_seconds() == 0 ? 900 : request.ttl_seconds();
  if (ttl < 60 || ttl > 3600) return InvalidField("ttl_seconds", absl::StrCat("is ", ttl), "60 to 3600, or 0 for 900");
  FT_TRY(CheckText("agent", request.agent(), 128));
  std::vector<int> actions = {v1::AGENT_ACTION_VIEW};
  if (request.actions().empty()) actions.push_back(v1::AGENT_ACTION_CAPTURE);
  for (const int action : request.actions()) {
    if (action < v1::AGENT_ACTION_VIEW || action > v1::AGENT_ACTION_CANCEL) {
      return InvalidField("actions", absl::StrCat("has ", action), "VIEW, CAPTURE, PAY and CANCEL");
    }
    if (action != v1::AGENT_ACTION_VIEW) actions.push_back(action);
  }
  return Once<v1::AgentToken>(
      domain_, change,
      [&](Transaction& tx) -> absl::StatusOr<v1::AgentToken> {
        auto row = LoadSession(tx, change.world, request.session_id(), Lock::kNo);
        if (!row.ok()) return row.status();
        if (row->state() == SessionState::kEnded) {
          return Refuse(absl::StatusCode::kFailedPrecondition, "session_ended", "the session is ENDED: no token is made for it", "create a new session");
        }
        v1::AgentToken token;
        token.set_token(NewSecret(domain_.random, "agt_"));
        token.set_session_id(row->id);
        token.set_agent(request.agent().empty() ? row->body.agent() : request.agent());
        const int64_t expires = domain_.NowUs() + int64_t{ttl} * 1'000'000;
        token.set_expires_at(TimeText(expires));
        int64_t bits = 0;
        for (const int action : actions) {
          if ((bits & (int64_t{1} << action)) == 0) token.add_actions(static_cast<v1::AgentAction>(action));
          bits |= int64_t{1} << action;
        }
        FT_TRY(tx.Execute("INSERT INTO agent_token (secret_hash, tenant_id, mode, session_id, actions, agent, key_id, expires_us)"
                          " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                          {SecretHash(token.token()), row->tenant_id, row->mode, row->id, bits, token.agent(), key_id, expires}).status());
        return token;
      },
      [](v1::AgentToken& kept) { kept.clear_token(); });
}

}  // namespace flattone::session
