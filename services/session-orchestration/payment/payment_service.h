// Payments: asked for in one transaction, driven to the gateway-adapter, settled by its reports.
//
// Pay writes payment, PROCESSING and the operation together; what follows (tokenise, authorise) may be
// repeated by any replica's worker, because each step is idempotent by its id. A report is applied by its
// version, whether it came as a reply or from the adapter's outbox, once or often, in whatever order.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "absl/status/statusor.h"
#include "flattone/session/v1/session.pb.h"
#include "libs/obs/log.h"
#include "libs/obs/metrics.h"
#include "services/session-orchestration/payment/waiting_room.h"
#include "services/session-orchestration/session/context.h"
#include "services/session-orchestration/store/rows.h"

namespace flattone::session {

struct PaymentMeters {
  explicit PaymentMeters(obs::Registry& registry)
      : outcomes(registry, "flattone_session_payment_outcomes_total", "Payments by the state that a report brought them to", "state"),
        contradictions(registry, "flattone_session_contradicting_reports_total", "Reports of the adapter that contradict what is known") {}
  obs::CounterFamily outcomes;
  obs::Counter contradictions;
};

class PaymentService {
 public:
  static constexpr int kMaxWaiting = 64;

  // At most `max_waiting` calls are driven and waited for by who asks; the others answer at once, and the worker drives them.
  PaymentService(const Domain& domain, PaymentMeters& meters, obs::Logger& log, int max_waiting = kMaxWaiting)
      : domain_(domain), meters_(meters), log_(log), waiting_(max_waiting) {}

  absl::StatusOr<v1::Payment> Pay(const Change& change, const v1::PayRequest& request);
  absl::StatusOr<v1::Payment> Capture(const Change& change, const v1::CapturePaymentRequest& request);
  absl::StatusOr<v1::Payment> Void(const Change& change, const v1::VoidPaymentRequest& request);
  absl::StatusOr<v1::Payment> Refund(const Change& change, const v1::RefundPaymentRequest& request);
  absl::StatusOr<v1::Payment> Get(const World& world, const v1::GetPaymentRequest& request);
  absl::StatusOr<v1::ListPaymentsResponse> List(const World& world, const v1::ListPaymentsRequest& request);

  enum class When { kNow, kIfDue };
  // One try to move an operation on; `wait` is how long the adapter may wait for the PSP. Any thread, any replica: with kIfDue,
  // those that come to it at once make one try.
  absl::Status Drive(const std::string& tenant_id, const std::string& operation_id, absl::Duration wait, When when);
  // A report of the adapter. `position`: of its outbox (0: a reply); stored with the change, so that the cursor
  // never runs ahead of what was applied.
  absl::Status Apply(const gateway::v1::Attempt& attempt, int64_t position);
  // This process ends: whoever waits for an outcome is answered with the payment as it is at `at`. Any thread.
  void EndWaits(absl::Time at) { waits_end_us_ = absl::ToUnixMicros(at); }

 private:
  using Ask = std::function<absl::StatusOr<int64_t>(storage::Transaction&, SessionRow&, PaymentRow&)>;
  absl::StatusOr<OperationRow> NewPayment(storage::Transaction& tx, const Change& change, SessionRow& session, absl::Duration head_start);
  absl::StatusOr<v1::Payment> AskLater(const Change& change, const std::string& payment_id, PaymentAction action, int kind, const Ask& amount);
  // Until `settled` says so, or the time is over.
  absl::Status Await(const World& world, absl::Time until, const std::function<absl::StatusOr<bool>(storage::Transaction&)>& settled);
  absl::StatusOr<v1::Payment> Keep(const Change& change, const v1::Payment& answer);
  absl::Status Tokenise(const PaymentRow& payment, OperationRow& operation);
  absl::StatusOr<gateway::v1::Attempt> Send(const PaymentRow& payment, const OperationRow& operation, absl::Duration wait);
  absl::Status TryAgainSoon(const OperationRow& operation, const absl::Status& why);
  absl::Status Fail(const OperationRow& operation, const absl::Status& why);
  absl::Status TakeBack(storage::Transaction& tx, const OperationRow& failed, const PaymentRow& payment);
  // The sum of refunds that were asked for and have no outcome yet.
  static absl::StatusOr<int64_t> ReservedRefunds(storage::Transaction& tx, const PaymentRow& payment);
  // What a report changed, for the log: nothing when it told nothing new.
  struct Applied {
    std::string traceparent, state;
  };
  absl::Status ApplyIn(storage::Transaction& tx, const gateway::v1::Attempt& attempt, int64_t position, Applied& applied);
  absl::Status Move(storage::Transaction& tx, SessionRow& session, PaymentRow& payment, PaymentAction action, const std::string& message);

  const Domain& domain_;
  PaymentMeters& meters_;
  obs::Logger& log_;
  WaitingRoom waiting_;
  std::atomic<int64_t> waits_end_us_{std::numeric_limits<int64_t>::max()};
};

}  // namespace flattone::session
