// What goes on without anybody asking: operations driven on, the adapter's outbox, captures to be closed,
// time-outs, leases, sweeping. Every job may run on several replicas at once: each step is idempotent or leased.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "libs/obs/log.h"
#include "libs/obs/metrics.h"
#include "services/session-orchestration/fleet/fleet.h"
#include "services/session-orchestration/payment/payment_service.h"
#include "services/session-orchestration/session/capture_service.h"

namespace flattone::session {

class Worker {
 public:
  Worker(const Domain& domain, CaptureService& captures, PaymentService& payments, Fleet& fleet);

  // Each does what is due now and returns; an error is of the database or of the adapter, and the next round
  // tries again. Tests call them directly.
  absl::Status DriveOperations();
  // Reads the adapter's outbox on from the stored cursor, waiting up to `wait` for news.
  absl::Status ConsumeOutcomes(absl::Duration wait);
  absl::Status CloseCaptures();
  absl::Status UndoStarts();
  absl::Status EndExpired();
  absl::Status Sweep();
  absl::Status DropLostRelays();

 private:
  const Domain& domain_;
  CaptureService& captures_;
  PaymentService& payments_;
  Fleet& fleet_;
  const absl::Time started_;
};

// Threads that run jobs again and again until Stop.
class JobRunner {
 public:
  explicit JobRunner(obs::Logger& log, obs::Registry& metrics);
  ~JobRunner() { Stop(); }
  // `job` every `pause`, on a thread of its own.
  void Every(absl::Duration pause, std::string name, std::function<absl::Status()> job);
  void Stop();

 private:
  obs::Logger& log_;
  obs::CounterFamily failures_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace flattone::session
