// Rows of the orchestrator's tables as values: load, change, save, inside the caller's transaction.
//
//   auto session = LoadSession(tx, world, request.session_id(), Lock::kYes);
//   session->SetState(SessionState::kReady);
//   absl::Status saved = SaveSession(tx, *session);
//
// Every load names tenant and mode: what belongs to somebody else is NOT_FOUND, like what never was.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "flattone/session/v1/types.pb.h"
#include "libs/storage/database.h"
#include "services/session-orchestration/payment/payment_state.h"
#include "services/session-orchestration/session/session_state.h"
#include "services/session-orchestration/store/world.h"

namespace flattone::session {

enum class Lock { kNo, kYes };

// RFC 3339 in UTC with milliseconds; empty for 0.
std::string TimeText(int64_t unix_us);

struct SessionRow {
  std::string id, tenant_id;
  int mode = 0;
  std::string capture_id;        // the newest capture, kept after its payment
  std::string payment_id;        // the payment made with that capture; empty before
  std::string end_when_settled;  // end_reason of a session that ends with its open payment
  int64_t last_event = 0, created_us = 0, expires_us = 0;
  v1::Session body;  // without payments

  SessionState state() const { return static_cast<SessionState>(body.state() - 1); }
  void SetState(SessionState state) { body.set_state(static_cast<v1::SessionState>(static_cast<int>(state) + 1)); }
  World world() const { return {tenant_id, mode}; }
};
absl::StatusOr<SessionRow> LoadSession(storage::Transaction& tx, const World& world, std::string_view id, Lock lock);
// For the worker and relays' reports, which know the tenant but not the mode.
absl::StatusOr<SessionRow> LoadSessionOfTenant(storage::Transaction& tx, std::string_view tenant_id, std::string_view id, Lock lock);
absl::Status InsertSession(storage::Transaction& tx, const SessionRow& row);
absl::Status SaveSession(storage::Transaction& tx, const SessionRow& row);

struct PaymentRow {
  std::string id, tenant_id, session_id, capture_id;
  int mode = 0;
  int64_t authorise_version = 0, created_us = 0;
  v1::Payment body;

  PaymentState state() const { return static_cast<PaymentState>(body.state() - 1); }
  void SetState(PaymentState state) { body.set_state(static_cast<v1::PaymentState>(static_cast<int>(state) + 1)); }
};
absl::StatusOr<PaymentRow> LoadPayment(storage::Transaction& tx, const World& world, std::string_view id, Lock lock);
absl::StatusOr<PaymentRow> LoadPaymentOfTenant(storage::Transaction& tx, std::string_view tenant_id, std::string_view id, Lock lock);
absl::StatusOr<std::vector<PaymentRow>> PaymentsOf(storage::Transaction& tx, const SessionRow& session);
absl::Status InsertPayment(storage::Transaction& tx, const PaymentRow& row);
absl::Status SavePayment(storage::Transaction& tx, const PaymentRow& row);

// STARTING (vault and relay are being asked) → RUNNING → CLOSING (told to stop, until confirmed) → CLOSED.
struct CaptureRow {
  std::string id, tenant_id, session_id, phase;
  std::string relay_id, relay_address, call_id, vault_address, vault_replica;
  std::string owner;  // the replica that watches it
  std::string traceparent;  // of the call that started it
  int64_t revision = 0, owner_until_us = 0, tries = 0, next_try_us = 0, created_us = 0;
  bool vault_done = false;  // nothing is left to cancel there
  bool relay_done = false;  // the relay has been told and has confirmed
};
absl::StatusOr<CaptureRow> LoadCapture(storage::Transaction& tx, std::string_view tenant_id, std::string_view id, Lock lock);
absl::Status InsertCapture(storage::Transaction& tx, const CaptureRow& row);
absl::Status SaveCapture(storage::Transaction& tx, const CaptureRow& row);
std::vector<CaptureRow> CapturesIn(const storage::Rows& rows);
inline constexpr char kSelectCapture[] = "SELECT * FROM capture ";

// ASKED (to be sent) → SENT (the adapter has it, no final answer) → DONE or FAILED.
struct OperationRow {
  std::string id, tenant_id, payment_id, state, actor, token_id, vault_address;
  std::string traceparent;  // of the call that asked: whoever drives it on, later and elsewhere, goes under it
  int kind = 0;  // gateway.v1.Operation
  int64_t amount_minor = 0, version = 0, tries = 0, next_try_us = 0, created_us = 0;
  bool code_held = false;
  bool live() const { return state == "ASKED" || state == "SENT"; }
};
absl::StatusOr<OperationRow> LoadOperation(storage::Transaction& tx, std::string_view tenant_id, std::string_view id, Lock lock);
absl::StatusOr<std::vector<OperationRow>> OperationsOf(storage::Transaction& tx, const PaymentRow& payment);
absl::Status InsertOperation(storage::Transaction& tx, const OperationRow& row);
absl::Status SaveOperation(storage::Transaction& tx, const OperationRow& row);
std::vector<OperationRow> OperationsIn(const storage::Rows& rows);

}  // namespace flattone::session
