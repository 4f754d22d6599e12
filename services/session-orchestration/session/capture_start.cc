// Starting a capture: reserve, secure, confirm, and what happens when one of them fails.
#include "services/session-orchestration/session/capture_service.h"
#include "services/session-orchestration/session/lifecycle.h"
#include "services/session-orchestration/session/once.h"
#include "services/session-orchestration/session/session_service.h"
#include "services/session-orchestration/replica/replica.h"

namespace flattone::session {
namespace {

using storage::Transaction;

constexpr absl::Duration kStartLease = absl::Seconds(30);
// What comes before the vault and the relay are asked may take this long, so that all of a start fits into its lease.
constexpr absl::Duration kPrepareLimit = absl::Seconds(8);

absl::Status CallNotFound() {
  return Refuse(absl::StatusCode::kNotFound, "call_not_found", "no call with this reference is at a media relay",
                "check call_reference, and that the edge has put the relay into the call");
}

absl::Status CardNotKept() {
  return Refuse(absl::StatusCode::kFailedPrecondition, "card_not_kept", "no card of this session waits for a field to be typed again",
                "start without fields: the whole card is asked for");
}

// The token of the session's last payment, where the caller was to type a part of its card again.
absl::StatusOr<std::string> KeptToken(Transaction& tx, const SessionRow& session) {
  auto payments = PaymentsOf(tx, session);
  if (!payments.ok()) return payments.status();
  if (payments->empty()) return CardNotKept();
  const PaymentRow& last = payments->back();
  const auto instruction = last.body.instruction();
  const bool again = instruction == common::v1::INSTRUCTION_REENTER_SECURITY_CODE || instruction == common::v1::INSTRUCTION_REENTER_EXPIRY;
  if (!again || (last.state() != PaymentState::kDeclined && last.state() != PaymentState::kFailed)) return CardNotKept();
  auto operations = OperationsOf(tx, last);
  if (!operations.ok()) return operations.status();
  for (const OperationRow& operation : *operations) {
    if (operation.kind == gateway::v1::OPERATION_AUTHORISE && !operation.token_id.empty()) return operation.token_id;
  }
  return CardNotKept();
}

// `again`: what is typed again; empty: all that the settings ask for.
vault::v1::CaptureRules RulesOf(const v1::CaptureSettings& settings, const google::protobuf::RepeatedField<int>& again) {
  vault::v1::CaptureRules rules;
  const auto add = [&](int field) {
    auto* rule = rules.add_fields();
    rule->set_field(static_cast<common::v1::CardField>(field));
    rule->set_timeout_seconds(settings.field_timeout_seconds());
    if (field == common::v1::CARD_FIELD_POSTCODE) rule->set_length(settings.postcode_length());
  };
  for (const int field : again.empty() ? settings.fields() : again) add(field);
  if (again.empty() && settings.fields().empty()) {
    for (const int field : {common::v1::CARD_FIELD_PAN, common::v1::CARD_FIELD_EXPIRY, common::v1::CARD_FIELD_SECURITY_CODE}) add(field);
  }
  rules.mutable_accepted_brands()->CopyFrom(settings.accepted_brands());
  rules.set_card_tries(settings.card_tries());
  rules.set_timeout_seconds(settings.capture_timeout_seconds());
  rules.set_one_by_one(settings.one_by_one());
  rules.set_length_pause_ms(settings.length_pause_ms());
  return rules;
}

// A neighbour that does not answer, in the words of the contract; its own refusals pass as they are.
absl::Status Neighbour(const absl::Status& status, const char* code, const char* message) {
  const bool silent = status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kDeadlineExceeded;
  if (!silent || DetailOf(status).has_value()) return status;
  return Refuse(absl::StatusCode::kUnavailable, code, message, "try again in a moment");
}

}  // namespace

absl::StatusOr<v1::Session> CaptureService::Start(const Change& change, const v1::StartCaptureRequest& request) {
  FT_TRY(CheckTypedAgain("fields", request.fields()));
  auto starting = Reserve(change, request);
  if (!starting.ok()) return starting.status();
  const CaptureRow& capture = starting->capture;
  if (capture.id.empty()) return std::move(starting->kept);
  domain_.gates.Reach("capture_reserved");
  vault::v1::CaptureStatus first;
  const absl::Status secured = Secure(change, request, *starting, first);
  if (!secured.ok()) return FailStart(change, capture, secured);
  domain_.gates.Reach("capture_secured");
  auto answer = Confirm(change, capture, first);
  if (!answer.ok()) return FailStart(change, capture, answer.status());
  if (started_) started_(capture);
  return answer;
}

absl::StatusOr<CaptureService::Starting> CaptureService::Reserve(const Change& change, const v1::StartCaptureRequest& request) {
  Starting starting;
  const absl::Status done = domain_.Commit([&](Transaction& tx) -> absl::Status {
    starting = {};
    CaptureRow& capture = starting.capture;
    FT_TRY(StillReplica(tx, domain_.replica));
    auto was_kept = Kept(tx, domain_, change, kStartLease, starting.kept);
    if (!was_kept.ok()) return was_kept.status();
    if (*was_kept) return absl::OkStatus();
    auto row = LoadSession(tx, change.world, request.session_id(), Lock::kYes);
    if (!row.ok()) return row.status();
    if (!StepOf(row->state(), SessionAction::kStartCapture).allowed()) return RefusalOf(row->state(), SessionAction::kStartCapture);
    if (!request.fields().empty()) {
      auto token = KeptToken(tx, *row);
      if (!token.ok()) return token.status();
      starting.token_id = *std::move(token);
    }
    if (!row->capture_id.empty()) {
      auto before = LoadCapture(tx, row->tenant_id, row->capture_id, Lock::kYes);
      if (!before.ok()) return before.status();
      if (before->phase == "STARTING") {
        return Refuse(absl::StatusCode::kFailedPrecondition, "capture_running", "a capture of this session is just being started", "wait for its answer");
      }
      if (row->state() == SessionState::kReady) {  // starts anew: what was collected is dropped
        FT_TRY(CloseCapture(tx, domain_, *row, false));
        row->SetState(SessionState::kCreated);
        row->body.clear_progress();
        FT_TRY(Tell(tx, domain_, *row, {"session.capture_ended", change.actor, "the capture is started anew"}));
      }
    }
    capture.id = RandomId(domain_.random, "cap");
    capture.tenant_id = row->tenant_id;
    capture.session_id = row->id;
    capture.phase = "STARTING";
    capture.traceparent = change.traceparent;
    capture.owner = domain_.replica;
    capture.owner_until_us = absl::ToUnixMicros(domain_.clock.Now() + kStartLease);
    capture.created_us = domain_.NowUs();
    FT_TRY(InsertCapture(tx, capture));
    row->capture_id = capture.id;
    row->payment_id.clear();
    row->body.set_protection(v1::PROTECTION_STARTING);
    FT_TRY(SaveSession(tx, *row));
    starting.session = *row;
    return absl::OkStatus();
  });
  if (!done.ok()) return done;
  return starting;
}

absl::Status CaptureService::CloseBefore(const CaptureRow& capture, absl::Time until) {
  std::vector<std::string> ended;
  FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
    ended.clear();
    auto rows = tx.Query("SELECT id FROM capture WHERE phase = 'CLOSING' AND tenant_id = $1 AND call_id = $2 AND relay_done = 0 AND id <> $3"
                         " ORDER BY created_us LIMIT 10",
                         {capture.tenant_id, capture.call_id, capture.id});
    if (!rows.ok()) return rows.status();
    for (const storage::Row& row : *rows) ended.push_back(row.Text("id"));
    return absl::OkStatus();
  }));
  for (const std::string& id : ended) {
    if (domain_.clock.Now() > until) break;
    auto closed = Close(capture.tenant_id, id);
    (void)closed;  // the worker goes on with it; a relay that does not know refuses the new one
  }
  return absl::OkStatus();
}

absl::StatusOr<CaptureService::Place> CaptureService::FindCall(const Change& change, const std::string& call_reference, absl::Time until) {
  struct Relay {
    std::string id, address;
  };
  std::vector<Relay> relays;
  Place place;
  FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
    auto known = tx.Query("SELECT c.call_id, c.relay_id, r.address FROM live_call c JOIN relay r ON r.id = c.relay_id"
                          " WHERE c.tenant_id = $1 AND c.call_reference = $2",
                          {change.world.tenant_id, call_reference});
    if (!known.ok()) return known.status();
    if (!known->empty()) place = {known->front().Text("relay_id"), known->front().Text("address"), known->front().Text("call_id")};
    auto rows = tx.Query("SELECT id, address FROM relay WHERE lease_until_us > $1 ORDER BY id LIMIT $2", {domain_.NowUs(), domain_.relays_asked});
    if (!rows.ok()) return rows.status();
    for (const storage::Row& row : *rows) relays.push_back({row.Text("id"), row.Text("address")});
    return absl::OkStatus();
  }));
  if (!place.call_id.empty()) return place;
  // Not reported yet: the edge's offer may be younger than the relay's next report.
  media::v1::FindCallRequest find;
  find.set_tenant_id(change.world.tenant_id);
  find.set_call_reference(call_reference);
  absl::Status silent;
  for (const Relay& relay : relays) {
    if (domain_.clock.Now() > until) break;  // those that did not answer have taken the time: it is told
    auto found = domain_.relays.FindCall(relay.address, find, {change.traceparent, absl::Seconds(1)});
    if (found.ok()) return Place{relay.id, relay.address, found->call().call_id()};
    if (found.status().code() != absl::StatusCode::kNotFound) silent = found.status();
  }
  if (!silent.ok() || relays.empty()) {
    return relays.empty() ? Refuse(absl::StatusCode::kUnavailable, "relay_unavailable", "no media relay is registered", "try again in a moment")
                          : Refuse(absl::StatusCode::kUnavailable, "relay_unavailable", "a media relay did not answer", "try again in a moment");
  }
  return CallNotFound();
}

absl::Status CaptureService::Secure(const Change& change, const v1::StartCaptureRequest& request, Starting& starting,
                                    vault::v1::CaptureStatus& first) {
  CaptureRow& capture = starting.capture;
  const v1::Session& session = starting.session.body;
  const absl::Time until = domain_.clock.Now() + kPrepareLimit;
  auto place = FindCall(change, session.call_reference(), until);
  if (!place.ok()) return place.status();
  vault::v1::OpenCaptureRequest open;
  open.set_tenant_id(capture.tenant_id);
  open.set_capture_id(capture.id);
  open.set_session_id(capture.session_id);
  *open.mutable_rules() = RulesOf(session.capture(), request.fields());
  open.set_token_id(starting.token_id);
  auto opened = domain_.vault.OpenCapture(open, {change.traceparent, absl::Seconds(3), true});
  if (!opened.ok()) return Neighbour(opened.status(), "vault_unavailable", "the vault did not answer");
  first = opened->status();
  capture.relay_id = place->relay_id;
  capture.relay_address = place->relay_address;
  capture.call_id = place->call_id;
  capture.vault_address = opened->handle().vault_address();
  capture.vault_replica = opened->handle().replica_id();
  // Written before the relay is asked: whoever has to undo this start knows where.
  FT_TRY(domain_.db.Write([&](Transaction& tx) { return SaveCapture(tx, capture); }));
  FT_TRY(CloseBefore(capture, until));
  media::v1::StartSecureRequest secure;
  secure.set_tenant_id(capture.tenant_id);
  secure.set_call_id(capture.call_id);
  secure.set_capture_id(capture.id);
  secure.set_vault_address(capture.vault_address);
  auto secured = domain_.relays.StartSecure(capture.relay_address, secure, {change.traceparent, absl::Seconds(5)});
  if (secured.ok()) return absl::OkStatus();
  if (secured.status().code() == absl::StatusCode::kNotFound) return CallNotFound();
  return Neighbour(secured.status(), "relay_unavailable", "the media relay did not answer");
}

absl::StatusOr<v1::Session> CaptureService::Confirm(const Change& change, const CaptureRow& capture, const vault::v1::CaptureStatus& first) {
  v1::Session answer;
  FT_TRY(domain_.Commit([&](Transaction& tx) -> absl::Status {
    auto row = LoadSession(tx, change.world, capture.session_id, Lock::kYes);
    if (!row.ok()) return row.status();
    auto current = LoadCapture(tx, capture.tenant_id, capture.id, Lock::kYes);
    if (!current.ok()) return current.status();
    const bool wanted = row->capture_id == capture.id && current->phase == "STARTING";
    const SessionStep step = StepOf(row->state(), SessionAction::kStartCapture);
    if (!wanted || !step.allowed()) {
      return Refuse(absl::StatusCode::kFailedPrecondition, row->state() == SessionState::kEnded ? "session_ended" : "capture_running",
                    "the session changed while its capture was being started", "read the session");
    }
    row->SetState(step.next);
    row->body.set_protection(v1::PROTECTION_ON);
    current->phase = "RUNNING";
    current->owner = domain_.replica;
    current->owner_until_us = absl::ToUnixMicros(domain_.clock.Now() + kStartLease);
    row->body.mutable_progress()->set_capture_id(capture.id);
    *row->body.mutable_progress()->mutable_fields() = first.fields();
    row->body.mutable_progress()->set_current_field(first.current_field());
    current->revision = static_cast<int64_t>(first.revision());
    FT_TRY(SaveCapture(tx, *current));
    FT_TRY(Tell(tx, domain_, *row, {"session.capture_started", change.actor, {}}));
    auto shown = Shown(tx, *row);
    if (!shown.ok()) return shown.status();
    answer = *std::move(shown);
    return FinishOnce(tx, change.once, answer.SerializeAsString(), domain_.clock.Now());
  }));
  return answer;
}

absl::Status CaptureService::FailStart(const Change& change, const CaptureRow& capture, const absl::Status& why) {
  const absl::Status undone = UndoStart(capture.tenant_id, capture.id);
  if (undone.ok()) {
    auto closed = Close(capture.tenant_id, capture.id);
    (void)closed;  // the worker goes on with it
  }
  return GiveUp(domain_, change, why);
}

absl::Status CaptureService::UndoStart(const std::string& tenant_id, const std::string& capture_id) {
  return domain_.Commit([&](Transaction& tx) -> absl::Status {
    auto capture = LoadCapture(tx, tenant_id, capture_id, Lock::kNo);
    if (!capture.ok()) return capture.status();
    auto row = LoadSessionOfTenant(tx, tenant_id, capture->session_id, Lock::kYes);
    if (!row.ok()) return row.status();
    capture = LoadCapture(tx, tenant_id, capture_id, Lock::kYes);
    if (!capture.ok() || capture->phase != "STARTING") return capture.status();
    capture->phase = "CLOSING";
    capture->next_try_us = domain_.NowUs();
    capture->owner.clear();
    capture->owner_until_us = 0;
    // Nothing was asked of a neighbour whose place is not written down yet.
    capture->vault_done = capture->vault_address.empty();
    capture->relay_done = capture->relay_address.empty();
    FT_TRY(SaveCapture(tx, *capture));
    if (row->capture_id != capture_id) return absl::OkStatus();
    row->body.set_protection(v1::PROTECTION_STOPPING);
    if (capture->relay_done) FT_TRY(BackToBefore(tx, *row));
    return SaveSession(tx, *row);
  });
}

// The relay was never asked for this capture: what protects the call, if anything, is the session's capture before it. That one
// is closed once more, and the relay's answer says how protected the call is.
absl::Status CaptureService::BackToBefore(Transaction& tx, SessionRow& row) {
  auto rows = tx.Query("SELECT id FROM capture WHERE tenant_id = $1 AND session_id = $2 AND id <> $3 AND relay_address <> ''"
                       " ORDER BY created_us DESC, id DESC LIMIT 1",
                       {row.tenant_id, row.id, row.capture_id});
  if (!rows.ok()) return rows.status();
  if (rows->empty()) {
    row.body.set_protection(v1::PROTECTION_OFF);
    return absl::OkStatus();
  }
  auto before = LoadCapture(tx, row.tenant_id, rows->front().Text("id"), Lock::kYes);
  if (!before.ok()) return before.status();
  before->phase = "CLOSING";
  before->relay_done = false;
  before->tries = 0;
  before->next_try_us = domain_.NowUs();
  row.capture_id = before->id;
  return SaveCapture(tx, *before);
}

}  // namespace flattone::session
