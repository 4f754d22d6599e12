// A running capture: field actions, progress, loss, the end at vault and relay.
#include "services/session-orchestration/session/capture_service.h"

#include <algorithm>

#include "services/session-orchestration/session/lifecycle.h"
#include "services/session-orchestration/session/once.h"
#include "services/session-orchestration/session/session_service.h"

namespace flattone::session {
namespace {

using storage::Transaction;

constexpr absl::Duration kEditLease = absl::Seconds(15);
constexpr absl::Duration kEditTimeout = absl::Seconds(3);

template <typename Request>
Request FieldRequest(const CaptureRow& capture, common::v1::CardField field, uint32_t expected_count) {
  Request request;
  request.set_tenant_id(capture.tenant_id);
  request.set_capture_id(capture.id);
  request.set_field(field);
  request.set_expected_count(expected_count);
  return request;
}

absl::Status CheckField(int field) {
  if (field >= common::v1::CARD_FIELD_PAN && field <= common::v1::CARD_FIELD_POSTCODE) return absl::OkStatus();
  return InvalidField("field", "is " + std::to_string(field), "CARD_FIELD_PAN, _EXPIRY, _SECURITY_CODE or _POSTCODE");
}

const char* EndMessage(vault::v1::CaptureState state) {
  switch (state) {
    case vault::v1::CAPTURE_STATE_EXPIRED: return "the capture's time was over: start it again";
    case vault::v1::CAPTURE_STATE_FAILED: return "the card numbers to try are used up: start it again";
    default: return "the vault ended the capture: start it again";
  }
}

bool IsLost(const absl::Status& status) {
  const auto detail = DetailOf(status);
  return status.code() == absl::StatusCode::kNotFound || (detail.has_value() && detail->code == "capture_lost");
}

}  // namespace

absl::StatusOr<v1::Session> CaptureService::RestartField(const Change& change, const v1::RestartFieldRequest& request) {
  FT_TRY(CheckField(request.field()));
  return Edit(change, request.session_id(), SessionAction::kRestartField, [&](const CaptureRow& capture) {
    return domain_.vault.RestartField(capture.vault_address,
                                      FieldRequest<vault::v1::RestartFieldRequest>(capture, request.field(), request.expected_count()),
                                      {change.traceparent, kEditTimeout, true});
  });
}

absl::StatusOr<v1::Session> CaptureService::UndoKey(const Change& change, const v1::UndoKeyRequest& request) {
  FT_TRY(CheckField(request.field()));
  return Edit(change, request.session_id(), SessionAction::kEditField, [&](const CaptureRow& capture) {
    return domain_.vault.UndoKey(capture.vault_address,
                                 FieldRequest<vault::v1::UndoKeyRequest>(capture, request.field(), request.expected_count()), {change.traceparent, kEditTimeout, true});
  });
}

absl::StatusOr<v1::Session> CaptureService::SubmitField(const Change& change, const v1::SubmitFieldRequest& request) {
  FT_TRY(CheckField(request.field()));
  return Edit(change, request.session_id(), SessionAction::kEditField, [&](const CaptureRow& capture) {
    return domain_.vault.SubmitField(capture.vault_address,
                                     FieldRequest<vault::v1::SubmitFieldRequest>(capture, request.field(), request.expected_count()),
                                     {change.traceparent, kEditTimeout, true});
  });
}

absl::StatusOr<v1::Session> CaptureService::Edit(const Change& change, const std::string& session_id, SessionAction action, const FieldCall& call) {
  v1::Session answer;
  CaptureRow capture;
  bool kept = false;
  FT_TRY(domain_.db.Write([&](Transaction& tx) -> absl::Status {
    auto was_kept = Kept(tx, domain_, change, kEditLease, answer);
    if (!was_kept.ok()) return was_kept.status();
    if ((kept = *was_kept)) return absl::OkStatus();
    auto row = LoadSession(tx, change.world, session_id, Lock::kYes);
    if (!row.ok()) return row.status();
    if (!StepOf(row->state(), action).allowed()) return RefusalOf(row->state(), action);
    auto loaded = LoadCapture(tx, row->tenant_id, row->capture_id, Lock::kNo);
    if (!loaded.ok()) return loaded.status();
    capture = *std::move(loaded);
    return absl::OkStatus();
  }));
  if (kept) return answer;
  auto status = call(capture);
  if (!status.ok()) {
    if (IsLost(status.status())) {
      FT_TRY(Lost(capture.tenant_id, capture.id, "the vault lost the capture: start it again"));
      return GiveUp(domain_, change, Refuse(absl::StatusCode::kFailedPrecondition, "capture_lost", "the vault lost the capture", "start the capture again"));
    }
    return GiveUp(domain_, change, status.status());
  }
  FT_TRY(domain_.Commit([&](Transaction& tx) -> absl::Status {
    auto row = LoadSession(tx, change.world, session_id, Lock::kYes);
    if (!row.ok()) return row.status();
    auto current = LoadCapture(tx, row->tenant_id, capture.id, Lock::kYes);
    if (!current.ok()) return current.status();
    FT_TRY(ApplyIn(tx, *row, *current, *status));
    auto shown = Shown(tx, *row);
    if (!shown.ok()) return shown.status();
    answer = *std::move(shown);
    return FinishOnce(tx, change.once, answer.SerializeAsString(), domain_.clock.Now());
  }));
  return answer;
}

absl::Status CaptureService::Apply(const std::string& tenant_id, const vault::v1::CaptureStatus& status) {
  return domain_.Commit([&](Transaction& tx) -> absl::Status {
    auto capture = LoadCapture(tx, tenant_id, status.capture_id(), Lock::kNo);
    if (!capture.ok()) return capture.status();
    auto row = LoadSessionOfTenant(tx, tenant_id, capture->session_id, Lock::kYes);
    if (!row.ok()) return row.status();
    capture = LoadCapture(tx, tenant_id, status.capture_id(), Lock::kYes);
    if (!capture.ok()) return capture.status();
    return ApplyIn(tx, *row, *capture, status);
  });
}

absl::Status CaptureService::ApplyIn(Transaction& tx, SessionRow& session, CaptureRow& capture, const vault::v1::CaptureStatus& status) {
  const auto revision = static_cast<int64_t>(status.revision());
  if (capture.phase != "RUNNING" || session.capture_id != capture.id || revision <= capture.revision) return absl::OkStatus();
  capture.revision = revision;
  FT_TRY(SaveCapture(tx, capture));
  v1::CaptureProgress& progress = *session.body.mutable_progress();
  progress.set_capture_id(capture.id);
  *progress.mutable_fields() = status.fields();
  progress.set_current_field(status.current_field());
  progress.set_extra_keys(status.extra_keys());
  progress.set_card_tries_used(status.card_tries_used());
  progress.set_complete(status.state() == vault::v1::CAPTURE_STATE_COMPLETE);
  switch (status.state()) {
    case vault::v1::CAPTURE_STATE_COLLECTING:
      if (session.state() == SessionState::kReady) session.SetState(SessionState::kCapturing);
      return Tell(tx, domain_, session, {"session.progress", "caller", {}});
    case vault::v1::CAPTURE_STATE_COMPLETE: {
      const SessionStep step = StepOf(session.state(), SessionAction::kComplete);
      if (step.verdict != Verdict::kMove) return Tell(tx, domain_, session, {"session.progress", "caller", {}});
      session.SetState(step.next);
      return Tell(tx, domain_, session, {"session.ready", "caller", {}});
    }
    case vault::v1::CAPTURE_STATE_CANCELLED:
    case vault::v1::CAPTURE_STATE_EXPIRED:
    case vault::v1::CAPTURE_STATE_FAILED:
      return LoseCapture(tx, domain_, session, EndMessage(status.state()));
    default:  // tokenised: the payment tells
      return SaveSession(tx, session);
  }
}

absl::Status CaptureService::Lost(const std::string& tenant_id, const std::string& capture_id, std::string_view message) {
  return domain_.Commit([&](Transaction& tx) -> absl::Status {
    auto capture = LoadCapture(tx, tenant_id, capture_id, Lock::kNo);
    if (!capture.ok()) return capture.status();
    auto row = LoadSessionOfTenant(tx, tenant_id, capture->session_id, Lock::kYes);
    if (!row.ok()) return row.status();
    if (row->capture_id != capture_id) return absl::OkStatus();
    // With the payment open the card is the adapter's; the payment's own driver meets a lost card.
    if (row->state() == SessionState::kProcessing || row->state() == SessionState::kEnded) return absl::OkStatus();
    row->body.clear_progress();
    return LoseCapture(tx, domain_, *row, message);
  });
}

absl::Status CaptureService::Unprotected(Transaction& tx, const std::string& tenant_id, const std::string& session_id,
                                         const std::string& capture_id) {
  auto row = LoadSessionOfTenant(tx, tenant_id, session_id, Lock::kYes);
  if (!row.ok()) return row.status();
  if (row->capture_id != capture_id || row->body.protection() != v1::PROTECTION_STOPPING) return absl::OkStatus();
  row->body.set_protection(v1::PROTECTION_OFF);
  if (row->state() == SessionState::kEnded) return SaveSession(tx, *row);  // "session.ended" is the last event
  return Tell(tx, domain_, *row, {"session.protection_changed", "system", {}});
}

absl::StatusOr<bool> CaptureService::Close(const std::string& tenant_id, const std::string& capture_id) {
  CaptureRow capture;
  FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
    auto loaded = LoadCapture(tx, tenant_id, capture_id, Lock::kNo);
    if (!loaded.ok()) return loaded.status();
    capture = *std::move(loaded);
    return absl::OkStatus();
  }));
  if (capture.phase != "CLOSING") return capture.phase == "CLOSED";
  bool vault_done = capture.vault_done, relay_done = capture.relay_done, plain = false;
  if (!relay_done) {
    media::v1::StopSecureRequest stop;
    stop.set_tenant_id(tenant_id);
    stop.set_call_id(capture.call_id);
    stop.set_capture_id(capture_id);
    auto stopped = domain_.relays.StopSecure(capture.relay_address, stop, {capture.traceparent, absl::Seconds(2)});
    // A refusal (the call is over, another capture has it) needs no further telling.
    relay_done = stopped.ok() || IsAnswer(stopped.status());
    // Nothing to wait for: the call was never secured, is plain again, or is over. No report will say so.
    plain = stopped.ok() ? stopped->state() == media::v1::SECURE_STATE_PLAIN : stopped.status().code() == absl::StatusCode::kNotFound;
  }
  if (!vault_done) {
    vault::v1::CancelCaptureRequest cancel;
    cancel.set_tenant_id(tenant_id);
    cancel.set_capture_id(capture_id);
    auto cancelled = domain_.vault.CancelCapture(capture.vault_address, cancel, {capture.traceparent, absl::Seconds(2)});
    vault_done = cancelled.ok() || IsAnswer(cancelled.status());
  }
  FT_TRY(domain_.Commit([&](Transaction& tx) -> absl::Status {
    if (plain) FT_TRY(Unprotected(tx, tenant_id, capture.session_id, capture_id));
    auto current = LoadCapture(tx, tenant_id, capture_id, Lock::kYes);
    if (!current.ok()) return current.status();
    current->vault_done = current->vault_done || vault_done;
    current->relay_done = current->relay_done || relay_done;
    if (current->vault_done && current->relay_done) current->phase = "CLOSED";
    ++current->tries;
    const int64_t wait_us = std::min<int64_t>(10'000'000, int64_t{250'000} << std::min<int64_t>(current->tries, 6));
    current->next_try_us = domain_.NowUs() + wait_us;
    // A vault replica that does not come back took the capture with it; a relay, its calls.
    if (current->tries > 60) current->vault_done = true;
    if (current->tries > 360) current->relay_done = true;
    return SaveCapture(tx, *current);
  }));
  return vault_done && relay_done;
}

}  // namespace flattone::session
