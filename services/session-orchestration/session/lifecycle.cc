#include "services/session-orchestration/session/lifecycle.h"

namespace flattone::session {
namespace {

bool Running(const CaptureRow& capture) { return capture.phase == "STARTING" || capture.phase == "RUNNING"; }

// Nothing has left this service yet: the driver commits a try before each call.
bool Untouched(const std::vector<OperationRow>& operations) {
  for (const OperationRow& operation : operations) {
    if (operation.tries > 0 || operation.state != "ASKED") return false;
  }
  return true;
}

absl::Status CancelUnsent(storage::Transaction& tx, const Domain& domain, SessionRow& session, PaymentRow& payment,
                          std::vector<OperationRow>& operations, std::string_view actor) {
  for (OperationRow& operation : operations) {
    operation.state = "FAILED";
    FT_TRY(SaveOperation(tx, operation));
  }
  payment.SetState(PaymentState::kCancelled);
  payment.body.set_updated_at(TimeText(domain.NowUs()));
  FT_TRY(SavePayment(tx, payment));
  FT_TRY(CloseCapture(tx, domain, session, false));
  FT_TRY(Tell(tx, domain, session, {"payment.cancelled", std::string(actor), "cancelled before anything was sent", &payment}));
  return Settle(tx, domain, session);
}

}  // namespace

OperationRow NewOperation(const Domain& domain, const PaymentRow& payment, int kind, int64_t amount_minor, std::string_view actor,
                          std::string_view traceparent) {
  OperationRow operation;
  operation.id = RandomId(domain.random, "opr");
  operation.tenant_id = payment.tenant_id;
  operation.payment_id = payment.id;
  operation.kind = kind;
  operation.amount_minor = amount_minor;
  operation.state = "ASKED";
  operation.actor = actor;
  operation.traceparent = traceparent;
  operation.next_try_us = operation.created_us = domain.NowUs();
  return operation;
}

absl::Status Tell(storage::Transaction& tx, const Domain& domain, SessionRow& session, const EventDraft& draft) {
  FT_TRY(AppendEvent(tx, domain.random, domain.clock.Now(), session, draft).status());
  domain.gates.Reach("event_numbered");
  return absl::OkStatus();
}

absl::Status CloseCapture(storage::Transaction& tx, const Domain& domain, SessionRow& session, bool keep_card) {
  if (session.capture_id.empty()) return absl::OkStatus();
  auto capture = LoadCapture(tx, session.tenant_id, session.capture_id, Lock::kYes);
  if (!capture.ok()) return capture.status();
  if (!Running(*capture)) return absl::OkStatus();
  capture->phase = "CLOSING";
  capture->vault_done = keep_card;
  capture->tries = 0;
  capture->next_try_us = domain.NowUs();
  capture->owner.clear();
  capture->owner_until_us = 0;
  if (session.body.protection() != v1::PROTECTION_OFF) session.body.set_protection(v1::PROTECTION_STOPPING);
  return SaveCapture(tx, *capture);
}

absl::Status WipeTokenised(storage::Transaction& tx, const Domain& domain, const PaymentRow& payment) {
  auto capture = LoadCapture(tx, payment.tenant_id, payment.capture_id, Lock::kYes);
  if (!capture.ok()) return capture.status();
  if (Running(*capture) || !capture->vault_done || capture->vault_address.empty()) return absl::OkStatus();
  capture->phase = "CLOSING";
  capture->vault_done = false;
  capture->tries = 0;
  capture->next_try_us = domain.NowUs();
  return SaveCapture(tx, *capture);
}

absl::Status LoseCapture(storage::Transaction& tx, const Domain& domain, SessionRow& session, std::string_view message) {
  const SessionStep step = StepOf(session.state(), SessionAction::kCaptureLost);
  FT_TRY(CloseCapture(tx, domain, session, false));
  if (step.verdict != Verdict::kMove) return SaveSession(tx, session);
  session.SetState(step.next);
  return Tell(tx, domain, session, {"session.capture_ended", "system", std::string(message)});
}

absl::Status EndNow(storage::Transaction& tx, const Domain& domain, SessionRow& session, std::string_view reason, std::string_view actor) {
  FT_TRY(CloseCapture(tx, domain, session, false));
  session.SetState(SessionState::kEnded);
  session.body.set_end_reason(std::string(reason));
  session.body.set_ended_at(TimeText(domain.NowUs()));
  return Tell(tx, domain, session, {"session.ended", std::string(actor), {}});
}

absl::Status EndOrWait(storage::Transaction& tx, const Domain& domain, SessionRow& session, SessionAction action, std::string_view reason,
                       std::string_view actor) {
  const SessionStep step = StepOf(session.state(), action);
  if (step.verdict == Verdict::kRefuse) return RefusalOf(session.state(), action);
  if (step.verdict != Verdict::kMove) return absl::OkStatus();
  if (step.next == SessionState::kEnded) return EndNow(tx, domain, session, reason, actor);
  if (session.end_when_settled.empty() || action == SessionAction::kCancel) session.end_when_settled = reason;
  if (action != SessionAction::kCancel) return SaveSession(tx, session);
  auto payment = LoadPaymentOfTenant(tx, session.tenant_id, session.payment_id, Lock::kYes);
  if (!payment.ok()) return payment.status();
  return AskVoid(tx, domain, session, *payment, actor);
}

absl::Status AskVoid(storage::Transaction& tx, const Domain& domain, SessionRow& session, PaymentRow& payment, std::string_view actor) {
  auto operations = OperationsOf(tx, payment);
  if (!operations.ok()) return operations.status();
  if (Untouched(*operations)) return CancelUnsent(tx, domain, session, payment, *operations, actor);
  if (payment.body.void_if_approved()) return SaveSession(tx, session);
  payment.body.set_void_if_approved(true);
  payment.body.set_updated_at(TimeText(domain.NowUs()));
  FT_TRY(SavePayment(tx, payment));
  const std::string trace = operations->empty() ? std::string() : operations->front().traceparent;  // of the call that asked for the payment
  FT_TRY(InsertOperation(tx, NewOperation(domain, payment, gateway::v1::OPERATION_VOID, 0, actor, trace)));
  return Tell(tx, domain, session,
              {"session.warning", std::string(actor), "the open payment will be voided should it turn out approved"});
}

absl::Status Settle(storage::Transaction& tx, const Domain& domain, SessionRow& session) {
  const SessionStep step = StepOf(session.state(), SessionAction::kSettled);
  if (step.verdict != Verdict::kMove) return absl::OkStatus();
  session.SetState(step.next);
  session.body.clear_progress();
  if (!session.end_when_settled.empty()) return EndNow(tx, domain, session, session.end_when_settled, "system");
  return SaveSession(tx, session);
}

}  // namespace flattone::session
