// What happens after the asking: tokenise, send to the adapter, apply its reports.
#include <algorithm>

#include "services/session-orchestration/payment/payment_service.h"
#include "services/session-orchestration/session/lifecycle.h"

namespace flattone::session {
namespace {

using gateway::v1::Attempt;
using storage::Transaction;

constexpr int kVaultTries = 5;
constexpr absl::Duration kAskAgain = absl::Seconds(60);  // a SENT operation whose report has not come
// So long a call waits at the adapter, from where this process cannot call it back when it is to end; then for the event.
constexpr absl::Duration kAtAdapter = absl::Seconds(3);
constexpr int64_t kMicros = 1'000'000;

// Before what a cancelled payment is owed is asked for anew: at once, then after 5, 10, 20 … s, at most an hour.
int64_t PauseAfter(int64_t failures) {
  return failures == 0 ? 0 : std::min<int64_t>(3600, int64_t{5} << std::min<int64_t>(failures - 1, 10)) * kMicros;
}

int64_t Backoff(int64_t tries) { return std::min<int64_t>(30'000'000, int64_t{500'000} << std::min<int64_t>(tries, 6)); }

// The report that an attempt is, in the words of the payment's table; nothing while it is pending.
std::optional<PaymentAction> ReportOf(const Attempt& attempt, const PaymentRow& payment) {
  using A = PaymentAction;
  const bool authorise = attempt.operation() == gateway::v1::OPERATION_AUTHORISE;
  switch (attempt.outcome()) {
    case gateway::v1::OUTCOME_NOT_SENT:
      if (!authorise) return std::nullopt;
      return payment.body.void_if_approved() ? A::kReportCancelled : A::kReportFailed;
    case gateway::v1::OUTCOME_UNKNOWN:
      return authorise ? std::optional(A::kReportUnknown) : std::nullopt;
    case gateway::v1::OUTCOME_ANSWERED:
      break;
    default:
      return std::nullopt;
  }
  if (authorise) {
    switch (attempt.answer()) {
      case gateway::v1::ANSWER_APPROVED: return attempt.captured() ? A::kReportCaptured : A::kReportAuthorised;
      case gateway::v1::ANSWER_DECLINED: return A::kReportDeclined;
      case gateway::v1::ANSWER_ERROR: return A::kReportFailed;
      case gateway::v1::ANSWER_VOIDED: return A::kReportVoided;
      default: return std::nullopt;
    }
  }
  if (attempt.answer() != gateway::v1::ANSWER_APPROVED && attempt.answer() != gateway::v1::ANSWER_VOIDED) return std::nullopt;
  switch (attempt.operation()) {
    case gateway::v1::OPERATION_CAPTURE: return attempt.answer() == gateway::v1::ANSWER_APPROVED ? std::optional(A::kReportCaptured) : std::nullopt;
    case gateway::v1::OPERATION_VOID: return A::kReportVoided;
    case gateway::v1::OPERATION_REFUND: return attempt.answer() == gateway::v1::ANSWER_APPROVED ? std::optional(A::kReportRefunded) : std::nullopt;
    default: return std::nullopt;
  }
}

const char* EventOf(PaymentAction report) {
  switch (report) {
    case PaymentAction::kReportAuthorised: return "payment.authorised";
    case PaymentAction::kReportCaptured: return "payment.captured";
    case PaymentAction::kReportDeclined: return "payment.declined";
    case PaymentAction::kReportUnknown: return "payment.unknown";
    case PaymentAction::kReportFailed: return "payment.failed";
    case PaymentAction::kReportCancelled: return "payment.cancelled";
    case PaymentAction::kReportVoided: return "payment.voided";
    default: return "payment.refunded";
  }
}

void CopyFacts(const Attempt& attempt, v1::Payment& body) {
  if (!attempt.psp().empty()) body.set_psp(attempt.psp());
  if (attempt.operation() != gateway::v1::OPERATION_AUTHORISE) {
    body.set_instruction(attempt.instruction());
    return;
  }
  if (!attempt.psp_reference().empty()) body.set_psp_reference(attempt.psp_reference());
  if (!attempt.authorisation_code().empty()) body.set_authorisation_code(attempt.authorisation_code());
  if (attempt.brand() != common::v1::CARD_BRAND_UNSPECIFIED) body.set_brand(attempt.brand());
  if (!attempt.last_four().empty()) body.set_last_four(attempt.last_four());
  body.set_instruction(attempt.instruction());
}

std::string StateAfter(const Attempt& attempt) {
  switch (attempt.outcome()) {
    case gateway::v1::OUTCOME_ANSWERED:
      return attempt.answer() == gateway::v1::ANSWER_APPROVED || attempt.answer() == gateway::v1::ANSWER_VOIDED ? "DONE" : "FAILED";
    case gateway::v1::OUTCOME_NOT_SENT: return "FAILED";
    default: return "SENT";
  }
}

}  // namespace

absl::Status PaymentService::Drive(const std::string& tenant_id, const std::string& operation_id, absl::Duration wait, When when) {
  OperationRow operation;
  PaymentRow payment;
  bool mine = false;
  // A try is committed before anything leaves: a cancel that sees no try knows that nothing was sent.
  FT_TRY(domain_.db.Write([&](Transaction& tx) -> absl::Status {
    auto loaded = LoadOperation(tx, tenant_id, operation_id, Lock::kNo);
    if (!loaded.ok()) return loaded.status();
    auto paid = LoadPaymentOfTenant(tx, tenant_id, loaded->payment_id, Lock::kYes);
    if (!paid.ok()) return paid.status();
    loaded = LoadOperation(tx, tenant_id, operation_id, Lock::kYes);
    if (!loaded.ok()) return loaded.status();
    operation = *std::move(loaded);
    payment = *std::move(paid);
    // Not due any more: another worker drives it just now.
    mine = operation.live() && (when == When::kNow || operation.next_try_us <= domain_.NowUs());
    if (!mine) return absl::OkStatus();
    ++operation.tries;
    operation.next_try_us = domain_.NowUs() + absl::ToInt64Microseconds(wait) + Backoff(operation.tries);
    return SaveOperation(tx, operation);
  }));
  if (!mine) return absl::OkStatus();
  if (operation.kind == gateway::v1::OPERATION_AUTHORISE && operation.token_id.empty()) {
    const absl::Status tokenised = Tokenise(payment, operation);
    if (!tokenised.ok()) return IsAnswer(tokenised) ? Fail(operation, tokenised) : TryAgainSoon(operation, tokenised);
    if (!operation.live()) return absl::OkStatus();  // done with the token, or given up meanwhile: nothing is sent
  }
  auto attempt = Send(payment, operation, wait);
  if (attempt.ok()) return Apply(*attempt, 0);
  const auto detail = DetailOf(attempt.status());
  const bool busy = detail.has_value() && detail->code == "attempt_live";
  // Before the authorisation has reached the adapter there is nothing to void: told again until its outcome is known.
  const bool early = operation.kind == gateway::v1::OPERATION_VOID && IsOpen(payment.state());
  if (busy || early || !IsAnswer(attempt.status())) {
    return TryAgainSoon(operation, absl::UnavailableError("the adapter has not taken it yet; the worker tries again"));
  }
  const absl::Status failed = Fail(operation, attempt.status());
  return failed.ok() && operation.kind != gateway::v1::OPERATION_AUTHORISE ? attempt.status() : failed;
}

// The neighbour was not there, so nobody waits out the time that it was given to answer.
absl::Status PaymentService::TryAgainSoon(const OperationRow& operation, const absl::Status& why) {
  const int64_t next_us = domain_.NowUs() + Backoff(operation.tries);
  const absl::Status moved = domain_.db.Write([&](Transaction& tx) {
    return tx.Execute("UPDATE operation SET next_try_us = $1 WHERE id = $2 AND tenant_id = $3 AND tries = $4 AND next_try_us > $5",
                      {next_us, operation.id, operation.tenant_id, operation.tries, next_us}).status();
  });
  (void)moved;  // with the database away it is the later time that counts
  return why;
}

absl::Status PaymentService::Tokenise(const PaymentRow& payment, OperationRow& operation) {
  CaptureRow capture;
  FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
    auto loaded = LoadCapture(tx, payment.tenant_id, payment.capture_id, Lock::kNo);
    if (!loaded.ok()) return loaded.status();
    capture = *std::move(loaded);
    return absl::OkStatus();
  }));
  vault::v1::TokeniseRequest request;
  request.set_tenant_id(payment.tenant_id);
  request.set_capture_id(payment.capture_id);
  const bool keep = payment.body.purpose() == v1::PURPOSE_TOKENISE;
  request.set_purpose(keep ? vault::v1::TOKEN_PURPOSE_TOKENISE : vault::v1::TOKEN_PURPOSE_PAYMENT);
  auto token = domain_.vault.Tokenise(capture.vault_address, request, {operation.traceparent, absl::Seconds(5), true});
  if (!token.ok()) {
    // The replica that held the card is gone, or hangs: after some tries no longer a matter of patience.
    const bool silent = token.status().code() == absl::StatusCode::kUnavailable || !DetailOf(token.status()).has_value();
    const bool gone = silent && operation.tries >= kVaultTries;
    return gone ? Refuse(absl::StatusCode::kNotFound, "capture_lost", "the vault lost the capture") : token.status();
  }
  const vault::v1::Token& card = token->token();
  operation.token_id = card.token_id();
  operation.vault_address = card.vault_address();
  operation.code_held = card.security_code_held();
  domain_.gates.Reach("card_tokenised");
  FT_TRY(domain_.Commit([&](Transaction& tx) -> absl::Status {
    auto session = LoadSessionOfTenant(tx, payment.tenant_id, payment.session_id, Lock::kYes);
    if (!session.ok()) return session.status();
    auto row = LoadPaymentOfTenant(tx, payment.tenant_id, payment.id, Lock::kYes);
    if (!row.ok()) return row.status();
    auto current = LoadOperation(tx, operation.tenant_id, operation.id, Lock::kYes);
    if (!current.ok()) return current.status();
    operation.state = current->state;
    if (!current->live()) return absl::OkStatus();
    current->token_id = operation.token_id;
    current->vault_address = operation.vault_address;
    current->code_held = operation.code_held;
    if (keep) operation.state = current->state = "DONE";
    FT_TRY(SaveOperation(tx, *current));
    row->body.set_brand(card.brand());
    row->body.set_last_four(card.last_four());
    if (keep) row->body.set_token_id(card.token_id());
    FT_TRY(SavePayment(tx, *row));
    // A card that is only kept needs no code, and no answer of a PSP will wipe it: the end of the capture does.
    if (session->capture_id == payment.capture_id) FT_TRY(CloseCapture(tx, domain_, *session, !keep));
    FT_TRY(SaveSession(tx, *session));
    if (!keep || row->state() != PaymentState::kProcessing) return absl::OkStatus();
    row->SetState(PaymentState::kTokenised);
    row->body.set_updated_at(TimeText(domain_.NowUs()));
    FT_TRY(SavePayment(tx, *row));
    FT_TRY(Tell(tx, domain_, *session, {"payment.tokenised", operation.actor, {}, &*row}));
    return Settle(tx, domain_, *session);
  }));
  return absl::OkStatus();
}

absl::StatusOr<Attempt> PaymentService::Send(const PaymentRow& payment, const OperationRow& operation, absl::Duration wait) {
  // The worker, which does not wait, comes again by itself.
  const CallMeta meta{operation.traceparent, wait + absl::Seconds(5), wait > absl::ZeroDuration()};
  const auto wait_ms = std::max<uint32_t>(1, static_cast<uint32_t>(absl::ToInt64Milliseconds(std::min(wait, kAtAdapter))));
  switch (operation.kind) {
    case gateway::v1::OPERATION_AUTHORISE: {
      gateway::v1::AuthoriseRequest request;
      request.set_tenant_id(payment.tenant_id);
      request.set_mode(payment.body.mode());
      request.set_payment_id(payment.id);
      request.set_operation_id(operation.id);
      request.set_token_id(operation.token_id);
      request.set_vault_address(operation.vault_address);
      *request.mutable_amount() = payment.body.amount();
      request.set_capture_now(payment.body.purpose() == v1::PURPOSE_CHARGE);
      request.set_order_reference(payment.body.order_reference());
      request.set_security_code_required(operation.code_held);
      request.set_wait_ms(wait_ms);
      return domain_.gateway.Authorise(request, meta);
    }
    case gateway::v1::OPERATION_CAPTURE: {
      gateway::v1::CapturePaymentRequest request;
      request.set_tenant_id(payment.tenant_id);
      request.set_payment_id(payment.id);
      request.set_operation_id(operation.id);
      request.mutable_amount()->set_amount_minor(operation.amount_minor);
      request.mutable_amount()->set_currency_code(payment.body.amount().currency_code());
      request.set_wait_ms(wait_ms);
      return domain_.gateway.CapturePayment(request, meta);
    }
    case gateway::v1::OPERATION_VOID: {
      gateway::v1::VoidPaymentRequest request;
      request.set_tenant_id(payment.tenant_id);
      request.set_payment_id(payment.id);
      request.set_operation_id(operation.id);
      request.set_wait_ms(wait_ms);
      return domain_.gateway.VoidPayment(request, meta);
    }
    default: {
      gateway::v1::RefundPaymentRequest request;
      request.set_tenant_id(payment.tenant_id);
      request.set_payment_id(payment.id);
      request.set_operation_id(operation.id);
      request.mutable_amount()->set_amount_minor(operation.amount_minor);
      request.mutable_amount()->set_currency_code(payment.body.amount().currency_code());
      request.set_wait_ms(wait_ms);
      return domain_.gateway.RefundPayment(request, meta);
    }
  }
}

// The adapter (or the vault before it) has refused the operation for good: no money moved.
absl::Status PaymentService::Fail(const OperationRow& operation, const absl::Status& why) {
  return domain_.Commit([&](Transaction& tx) -> absl::Status {
    auto payment = LoadPaymentOfTenant(tx, operation.tenant_id, operation.payment_id, Lock::kNo);
    if (!payment.ok()) return payment.status();
    auto session = LoadSessionOfTenant(tx, operation.tenant_id, payment->session_id, Lock::kYes);
    if (!session.ok()) return session.status();
    payment = LoadPaymentOfTenant(tx, operation.tenant_id, operation.payment_id, Lock::kYes);
    auto current = LoadOperation(tx, operation.tenant_id, operation.id, Lock::kYes);
    if (!payment.ok() || !current.ok()) return payment.ok() ? current.status() : payment.status();
    if (!current->live() || current->version > 0) return absl::OkStatus();  // the adapter has told something meanwhile
    if (current->token_id != operation.token_id) return absl::OkStatus();   // another worker has got further with the card
    current->state = "FAILED";
    FT_TRY(SaveOperation(tx, *current));
    if (current->kind == gateway::v1::OPERATION_VOID && payment->body.void_if_approved()) return TakeBack(tx, *current, *payment);
    if (current->kind != gateway::v1::OPERATION_AUTHORISE) return absl::OkStatus();
    if (session->capture_id == payment->capture_id) FT_TRY(CloseCapture(tx, domain_, *session, false));
    if (!current->token_id.empty()) FT_TRY(WipeTokenised(tx, domain_, *payment));
    payment->body.set_instruction(common::v1::INSTRUCTION_TRY_LATER);
    const auto detail = DetailOf(why);
    return Move(tx, *session, *payment, payment->body.void_if_approved() ? PaymentAction::kReportCancelled : PaymentAction::kReportFailed,
                detail.has_value() && !detail->code.empty() ? detail->code : "refused before it was sent");
  });
}

// Cancelled, and the payment holds money: voided, or where it was charged given back, less what somebody gives back already.
absl::Status PaymentService::TakeBack(Transaction& tx, const OperationRow& failed, const PaymentRow& payment) {
  const PaymentState state = payment.state();
  const bool charged = state == PaymentState::kCaptured || state == PaymentState::kRefunded;
  if (!charged && state != PaymentState::kAuthorised) return absl::OkStatus();
  const int kind = charged ? gateway::v1::OPERATION_REFUND : gateway::v1::OPERATION_VOID;
  auto operations = OperationsOf(tx, payment);
  if (!operations.ok()) return operations.status();
  int64_t left = payment.body.captured_minor() - payment.body.refunded_minor(), failures = 0;
  for (const OperationRow& operation : *operations) {
    if (operation.kind != kind) continue;
    if (operation.live() && !charged) return absl::OkStatus();
    if (operation.live()) left -= operation.amount_minor;
    if (operation.state == "FAILED") ++failures;
  }
  if (charged && left < 1) return absl::OkStatus();
  OperationRow again = NewOperation(domain_, payment, kind, charged ? left : 0, failed.actor, failed.traceparent);
  again.next_try_us += PauseAfter(failures);
  return InsertOperation(tx, again);
}

absl::Status PaymentService::Apply(const Attempt& attempt, int64_t position) {
  Applied applied;
  FT_TRY(domain_.Commit([&](Transaction& tx) -> absl::Status {
    applied = {};
    FT_TRY(ApplyIn(tx, attempt, position, applied));
    if (position == 0) return absl::OkStatus();
    return tx.Execute("UPDATE counter SET value = $1 WHERE name = 'outcomes_position' AND value < $2", {position, position}).status();
  }));
  if (!applied.state.empty()) {
    log_.Info(obs::TraceContext::Parse(applied.traceparent).value_or(obs::TraceContext()), "payment reported",
              {{"payment", attempt.payment_id()}, {"operation", attempt.operation_id()}, {"attempt", attempt.attempt_id()}, {"state", applied.state}});
  }
  return absl::OkStatus();
}

absl::Status PaymentService::ApplyIn(Transaction& tx, const Attempt& attempt, int64_t position, Applied& applied) {
  auto payment = LoadPaymentOfTenant(tx, attempt.tenant_id(), attempt.payment_id(), Lock::kNo);
  if (payment.status().code() == absl::StatusCode::kNotFound) {
    meters_.contradictions.Add();  // not ours: never a reason to stop reading the outbox
    return absl::OkStatus();
  }
  if (!payment.ok()) return payment.status();
  auto session = LoadSessionOfTenant(tx, attempt.tenant_id(), payment->session_id, Lock::kYes);
  if (!session.ok()) return session.status();
  payment = LoadPaymentOfTenant(tx, attempt.tenant_id(), attempt.payment_id(), Lock::kYes);
  if (!payment.ok()) return payment.status();
  // A reply about money whose authorisation is not known here yet: the outbox tells both, in order.
  if (position == 0 && attempt.operation() != gateway::v1::OPERATION_AUTHORISE && IsOpen(payment->state())) return absl::OkStatus();
  auto operation = LoadOperation(tx, attempt.tenant_id(), attempt.operation_id(), Lock::kYes);
  if (operation.status().code() == absl::StatusCode::kNotFound) {  // the adapter's own: a void of a late approval
    OperationRow own = NewOperation(domain_, *payment, attempt.operation(), 0, "system", {});
    own.id = attempt.operation_id();
    own.state = "SENT";
    own.next_try_us = absl::ToUnixMicros(domain_.clock.Now() + absl::Hours(24 * 365));
    FT_TRY(InsertOperation(tx, own));
    operation = own;
  }
  if (!operation.ok()) return operation.status();
  const auto version = static_cast<int64_t>(attempt.version());
  if (version <= operation->version) return absl::OkStatus();
  operation->version = version;
  operation->state = StateAfter(attempt);
  operation->next_try_us = absl::ToUnixMicros(domain_.clock.Now() + kAskAgain);
  if (operation->amount_minor == 0) operation->amount_minor = attempt.amount().amount_minor();
  FT_TRY(SaveOperation(tx, *operation));
  CopyFacts(attempt, payment->body);
  const auto report = ReportOf(attempt, *payment);
  if (!report.has_value()) {
    FT_TRY(SavePayment(tx, *payment));
    const bool owed = operation->state == "FAILED" && payment->body.void_if_approved();
    return owed ? TakeBack(tx, *operation, *payment) : absl::OkStatus();
  }
  const int64_t amount = attempt.has_amount() ? attempt.amount().amount_minor() : operation->amount_minor;
  if (*report == PaymentAction::kReportCaptured) payment->body.set_captured_minor(amount);
  if (*report == PaymentAction::kReportRefunded) payment->body.set_refunded_minor(payment->body.refunded_minor() + amount);
  FT_TRY(Move(tx, *session, *payment, *report, {}));
  applied = {operation->traceparent, std::string(NameOf(payment->state()))};
  const PaymentState state = payment->state();
  const bool partly_refunded = state == PaymentState::kRefunded && payment->body.refunded_minor() < payment->body.captured_minor();
  const bool nothing_to_void = !IsOpen(state) && state != PaymentState::kAuthorised && state != PaymentState::kCaptured && !partly_refunded;
  if (!nothing_to_void) return absl::OkStatus();
  return tx.Execute("UPDATE operation SET state = 'DONE' WHERE tenant_id = $1 AND payment_id = $2 AND kind = $3 AND state IN ('ASKED', 'SENT')",
                    {payment->tenant_id, payment->id, static_cast<int>(gateway::v1::OPERATION_VOID)}).status();
}

absl::Status PaymentService::Move(Transaction& tx, SessionRow& session, PaymentRow& payment, PaymentAction action, const std::string& message) {
  const PaymentStep step = StepOf(payment.state(), action);
  if (step.verdict == PaymentVerdict::kAlarm) {
    meters_.contradictions.Add();
    return absl::OkStatus();
  }
  if (step.verdict != PaymentVerdict::kMove) return SavePayment(tx, payment);
  const bool was_open = IsOpen(payment.state());
  const bool was_unknown = payment.state() == PaymentState::kUnknown;
  payment.SetState(step.next);
  payment.body.set_updated_at(TimeText(domain_.NowUs()));
  FT_TRY(SavePayment(tx, payment));
  meters_.outcomes.Add(NameOf(step.next));
  if (was_unknown) FT_TRY(Tell(tx, domain_, session, {"payment.resolved", "system", message, &payment}));
  FT_TRY(Tell(tx, domain_, session, {EventOf(action), "system", message, &payment}));
  const bool current = session.payment_id == payment.id;
  if (was_open && !IsOpen(step.next) && current) return Settle(tx, domain_, session);
  return absl::OkStatus();
}

}  // namespace flattone::session
