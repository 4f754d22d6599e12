// What people ask: pay, capture, void, refund, read.
#include "services/session-orchestration/payment/payment_service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/session-orchestration/session/lifecycle.h"
#include "services/session-orchestration/session/once.h"
#include "services/session-orchestration/session/validate.h"
#include "services/session-orchestration/store/page.h"

namespace flattone::session {
namespace {

using storage::Transaction;

constexpr absl::Duration kPayLease = absl::Seconds(90);
constexpr absl::Duration kDriveHeadStart = absl::Seconds(10);  // the asking call drives first, then the worker
constexpr absl::Duration kChangeWait = absl::Seconds(20);
constexpr int kMaxPaymentsOfSession = 50;

// One capture or void at a time: both decide about the whole authorisation.
absl::Status CheckNothingRuns(Transaction& tx, const PaymentRow& payment) {
  auto operations = OperationsOf(tx, payment);
  if (!operations.ok()) return operations.status();
  for (const OperationRow& operation : *operations) {
    if (operation.kind != gateway::v1::OPERATION_AUTHORISE && operation.live()) {
      return Refuse(absl::StatusCode::kFailedPrecondition, "operation_running", "a capture or void of this payment is under way", "wait for its outcome");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int64_t> PaymentService::ReservedRefunds(Transaction& tx, const PaymentRow& payment) {
  auto operations = OperationsOf(tx, payment);
  if (!operations.ok()) return operations.status();
  int64_t reserved = 0;
  for (const OperationRow& operation : *operations) {
    if (operation.live() && operation.kind == gateway::v1::OPERATION_REFUND) reserved += operation.amount_minor;
  }
  return reserved;
}

absl::StatusOr<v1::Payment> PaymentService::Pay(const Change& change, const v1::PayRequest& request) {
  const uint32_t wait_seconds = request.has_wait_seconds() ? request.wait_seconds() : 30;
  if (wait_seconds > 60) return InvalidField("wait_seconds", absl::StrCat("is ", wait_seconds), "0 to 60");
  const auto place = waiting_.Enter();
  v1::Payment kept;
  bool was_kept = false;
  std::string payment_id;
  OperationRow operation;
  FT_TRY(domain_.Commit([&](Transaction& tx) -> absl::Status {
    operation = {};
    auto before = Kept(tx, domain_, change, kPayLease, kept);
    if (!before.ok()) return before.status();
    if ((was_kept = *before)) return absl::OkStatus();
    auto session = LoadSession(tx, change.world, request.session_id(), Lock::kYes);
    if (!session.ok()) return session.status();
    const SessionStep step = StepOf(session->state(), SessionAction::kPay);
    // The open payment, or the one that was just made with this capture: a second click, whatever its key.
    if (step.verdict == Verdict::kRepeat || (session->state() == SessionState::kCreated && !session->payment_id.empty())) {
      payment_id = session->payment_id;
      return absl::OkStatus();
    }
    if (!step.allowed()) return RefusalOf(session->state(), SessionAction::kPay);
    auto made = NewPayment(tx, change, *session, place ? kDriveHeadStart : absl::ZeroDuration());
    if (!made.ok()) return made.status();
    operation = *std::move(made);
    payment_id = operation.payment_id;
    return absl::OkStatus();
  }));
  if (was_kept) return kept;
  const absl::Time until = domain_.clock.Now() + (place ? absl::Seconds(wait_seconds) : absl::ZeroDuration());
  if (place && !operation.id.empty()) {
    domain_.gates.Reach("payment_committed");
    const absl::Status driven = Drive(operation.tenant_id, operation.id, absl::Seconds(wait_seconds), When::kNow);
    (void)driven;  // the payment stands; the worker goes on
  }
  v1::Payment answer;
  FT_TRY(Await(change.world, until, [&](Transaction& tx) -> absl::StatusOr<bool> {
    auto row = LoadPayment(tx, change.world, payment_id, Lock::kNo);
    if (!row.ok()) return row.status();
    answer = std::move(row->body);
    return !IsOpen(static_cast<PaymentState>(answer.state() - 1));
  }));
  return Keep(change, answer);
}

absl::StatusOr<OperationRow> PaymentService::NewPayment(Transaction& tx, const Change& change, SessionRow& session, absl::Duration head_start) {
  auto earlier = PaymentsOf(tx, session);
  if (!earlier.ok()) return earlier.status();
  if (earlier->size() >= kMaxPaymentsOfSession) {
    return Refuse(absl::StatusCode::kFailedPrecondition, "too_many_payments", "the session has 50 payments", "create a new session");
  }
  for (const PaymentRow& payment : *earlier) {
    if (IsOpen(payment.state())) return Refuse(absl::StatusCode::kFailedPrecondition, "payment_open", "a payment of this session is open", "wait for its outcome");
  }
  const v1::PaymentIntent& intent = session.body.intent();
  PaymentRow payment;
  payment.id = RandomId(domain_.random, "pay");
  payment.tenant_id = session.tenant_id;
  payment.mode = session.mode;
  payment.session_id = session.id;
  payment.capture_id = session.capture_id;
  payment.created_us = domain_.NowUs();
  payment.body.set_id(payment.id);
  payment.body.set_session_id(session.id);
  payment.body.set_mode(static_cast<common::v1::Mode>(session.mode));
  payment.body.set_order_reference(intent.order_reference());
  if (intent.has_amount()) *payment.body.mutable_amount() = intent.amount();
  payment.body.set_purpose(intent.purpose());
  *payment.body.mutable_metadata() = intent.metadata();
  payment.body.set_agent(session.body.agent());
  payment.body.set_created_at(TimeText(payment.created_us));
  payment.body.set_updated_at(payment.body.created_at());
  payment.SetState(PaymentState::kProcessing);
  FT_TRY(InsertPayment(tx, payment));
  OperationRow operation = NewOperation(domain_, payment, gateway::v1::OPERATION_AUTHORISE, intent.amount().amount_minor(), change.actor, change.traceparent);
  operation.next_try_us += absl::ToInt64Microseconds(head_start);
  FT_TRY(InsertOperation(tx, operation));
  session.SetState(SessionState::kProcessing);
  session.payment_id = payment.id;
  FT_TRY(Tell(tx, domain_, session, {"payment.processing", change.actor, {}, &payment}));
  return operation;
}

absl::Status PaymentService::Await(const World& world, absl::Time until, const std::function<absl::StatusOr<bool>(Transaction&)>& settled) {
  while (true) {
    bool over = false;
    int64_t seen = 0;
    FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
      auto asked = settled(tx);
      if (!asked.ok()) return asked.status();
      over = *asked;
      auto row = tx.Query("SELECT last_event FROM world WHERE tenant_id = $1 AND mode = $2", {world.tenant_id, world.mode});
      if (!row.ok()) return row.status();
      seen = row->empty() ? 0 : row->front().Int("last_event");
      return absl::OkStatus();
    }));
    const absl::Duration left = std::min(until, absl::FromUnixMicros(waits_end_us_)) - domain_.clock.Now();
    if (over || left <= absl::ZeroDuration()) return absl::OkStatus();
    domain_.hub.WaitFor(world, seen, std::min(left, absl::Seconds(1)));
  }
}

absl::StatusOr<v1::Payment> PaymentService::Keep(const Change& change, const v1::Payment& answer) {
  FT_TRY(domain_.db.Write([&](Transaction& tx) { return FinishOnce(tx, change.once, answer.SerializeAsString(), domain_.clock.Now()); }));
  return answer;
}

absl::StatusOr<v1::Payment> PaymentService::AskLater(const Change& change, const std::string& payment_id, PaymentAction action, int kind,
                                                     const Ask& amount) {
  const auto place = waiting_.Enter();
  v1::Payment kept;
  bool was_kept = false;
  OperationRow operation;
  FT_TRY(domain_.Commit([&](Transaction& tx) -> absl::Status {
    operation = {};
    auto before = Kept(tx, domain_, change, absl::Seconds(45), kept);
    if (!before.ok()) return before.status();
    if ((was_kept = *before)) return absl::OkStatus();
    auto payment = LoadPayment(tx, change.world, payment_id, Lock::kNo);
    if (!payment.ok()) return payment.status();
    auto session = LoadSession(tx, change.world, payment->session_id, Lock::kYes);
    if (!session.ok()) return session.status();
    payment = LoadPayment(tx, change.world, payment_id, Lock::kYes);
    if (!payment.ok()) return payment.status();
    if (StepOf(payment->state(), action).verdict == PaymentVerdict::kRefuse) return RefusalOf(payment->state(), action);
    if (action == PaymentAction::kVoid && IsOpen(payment->state())) return AskVoid(tx, domain_, *session, *payment, change.actor);
    auto sum = amount(tx, *session, *payment);
    if (!sum.ok()) return sum.status();
    operation = NewOperation(domain_, *payment, kind, *sum, change.actor, change.traceparent);
    if (place) operation.next_try_us += absl::ToInt64Microseconds(kDriveHeadStart);
    return InsertOperation(tx, operation);
  }));
  if (was_kept) return kept;
  absl::Time until = domain_.clock.Now();
  if (place && !operation.id.empty()) {
    domain_.gates.Reach("operation_committed");
    const absl::Status driven = Drive(operation.tenant_id, operation.id, kChangeWait, When::kNow);
    if (!driven.ok() && !IsTransient(driven)) return GiveUp(domain_, change, driven);
    if (driven.ok()) until += kChangeWait;  // it may still be under way at the PSP
  }
  v1::Payment answer;
  bool refused = false;
  FT_TRY(Await(change.world, until, [&](Transaction& tx) -> absl::StatusOr<bool> {
    auto row = LoadPayment(tx, change.world, payment_id, Lock::kNo);
    if (!row.ok()) return row.status();
    answer = std::move(row->body);
    if (operation.id.empty()) return true;
    auto now = LoadOperation(tx, operation.tenant_id, operation.id, Lock::kNo);
    if (!now.ok()) return now.status();
    refused = now->state == "FAILED";
    return !now->live();
  }));
  if (refused) {
    return GiveUp(domain_, change, Refuse(absl::StatusCode::kFailedPrecondition, "psp_refused", "the payment service provider refused it; no money moved", "read the payment's instruction"));
  }
  return Keep(change, answer);
}

absl::StatusOr<v1::Payment> PaymentService::Capture(const Change& change, const v1::CapturePaymentRequest& request) {
  return AskLater(change, request.payment_id(), PaymentAction::kCapture, gateway::v1::OPERATION_CAPTURE,
                  [&](Transaction& tx, SessionRow&, PaymentRow& payment) -> absl::StatusOr<int64_t> {
                    const int64_t all = payment.body.amount().amount_minor();
                    const int64_t wanted = request.amount_minor() == 0 ? all : request.amount_minor();
                    if (wanted < 1 || wanted > all) {
                      return Refusal(absl::StatusCode::kInvalidArgument,
                                     {.code = "amount_out_of_range", .field = "amount_minor", .limit = absl::StrCat("an integer from 1 to ", all), .fix = {}},
                                     absl::StrCat("amount_minor is ", wanted, "; it must be an integer from 1 to ", all));
                    }
                    FT_TRY(CheckNothingRuns(tx, payment));
                    return wanted;
                  });
}

absl::StatusOr<v1::Payment> PaymentService::Void(const Change& change, const v1::VoidPaymentRequest& request) {
  return AskLater(change, request.payment_id(), PaymentAction::kVoid, gateway::v1::OPERATION_VOID,
                  [&](Transaction& tx, SessionRow&, PaymentRow& payment) -> absl::StatusOr<int64_t> {
                    FT_TRY(CheckNothingRuns(tx, payment));
                    return payment.body.amount().amount_minor();
                  });
}

absl::StatusOr<v1::Payment> PaymentService::Refund(const Change& change, const v1::RefundPaymentRequest& request) {
  return AskLater(change, request.payment_id(), PaymentAction::kRefund, gateway::v1::OPERATION_REFUND,
                  [&](Transaction& tx, SessionRow&, PaymentRow& payment) -> absl::StatusOr<int64_t> {
                    auto reserved = ReservedRefunds(tx, payment);
                    if (!reserved.ok()) return reserved.status();
                    const int64_t captured = payment.body.captured_minor(), refunded = payment.body.refunded_minor();
                    const int64_t wanted = request.amount_minor() == 0 ? captured - refunded - *reserved : request.amount_minor();
                    FT_TRY(CheckRefund(captured, refunded, *reserved, wanted));
                    return wanted;
                  });
}

absl::StatusOr<v1::Payment> PaymentService::Get(const World& world, const v1::GetPaymentRequest& request) {
  v1::Payment payment;
  FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
    auto row = LoadPayment(tx, world, request.payment_id(), Lock::kNo);
    if (!row.ok()) return row.status();
    payment = std::move(row->body);
    return absl::OkStatus();
  }));
  return payment;
}

absl::StatusOr<v1::ListPaymentsResponse> PaymentService::List(const World& world, const v1::ListPaymentsRequest& request) {
  FT_TRY(CheckPageSize(request.page_size()));
  auto page = ReadPageToken(request.page_token());
  if (!page.ok()) return page.status();
  v1::ListPaymentsResponse answer;
  FT_TRY(domain_.db.Read([&](Transaction& tx) -> absl::Status {
    answer.Clear();
    const int size = PageSize(request.page_size());
    const int state = request.state();
    auto rows = tx.Query(
        "SELECT created_us, body FROM payment WHERE tenant_id = $1 AND mode = $2 AND ($3 = 0 OR state = $4) AND ($5 = '' OR order_reference = $6)"
        " AND (created_us < $7 OR (created_us = $8 AND id < $9)) ORDER BY created_us DESC, id DESC LIMIT $10",
        {world.tenant_id, world.mode, state, state, request.order_reference(), request.order_reference(), page->at, page->at, page->id, size + 1});
    if (!rows.ok()) return rows.status();
    for (size_t i = 0; i < rows->size() && i < static_cast<size_t>(size); ++i) answer.add_payments()->ParseFromString((*rows)[i].Bytes("body"));
    if (rows->size() > static_cast<size_t>(size)) {
      answer.set_next_page_token(PageToken({(*rows)[static_cast<size_t>(size) - 1].Int("created_us"), answer.payments(size - 1).id()}));
    }
    return absl::OkStatus();
  }));
  return answer;
}

}  // namespace flattone::session
