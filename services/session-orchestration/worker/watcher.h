// Follows the vault's progress stream of each capture that this replica has under its lease, and brings the
// statuses into the database. Vault gone: the capture is lost, and the agent is told.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "libs/obs/log.h"
#include "services/session-orchestration/session/capture_service.h"

namespace flattone::session {

class Watcher {
 public:
  Watcher(const Domain& domain, CaptureService& captures, obs::Logger& log, int threads, size_t max_captures);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // This replica watches `capture` from now on. Any thread; a second call for the same one does nothing.
  void Follow(const CaptureRow& capture);
  // Renews the leases of what is followed, takes over captures whose watcher died, drops what has ended. For the
  // worker, every few seconds.
  absl::Status Tend();
  size_t following() const;

 private:
  struct Followed {
    std::string tenant_id;
    std::unique_ptr<Watch> watch;
    std::optional<vault::v1::CaptureStatus> newest;  // not applied yet
    std::optional<absl::Status> ended;
    bool queued = false;
    uint64_t run = 0;   // which of its streams is the newest: what an older one says does not count
    bool over = false;  // that stream has ended, perhaps before whoever opened it had it in hand
    int failures = 0;
    int64_t retry_us = 0;
  };
  void Open(const std::string& id, const std::string& tenant_id, const std::string& address);
  void Queue(const std::string& id);
  void Work();
  void Step(const std::string& id);
  void Ended(const std::string& id, const std::string& tenant_id, const absl::Status& status);

  const Domain& domain_;
  CaptureService& captures_;
  obs::Logger& log_;
  const size_t max_captures_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Followed> followed_;
  std::deque<std::string> queue_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace flattone::session
