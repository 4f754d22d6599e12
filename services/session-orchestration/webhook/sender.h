// The webhook sender of the worker role: claims due deliveries, sends them signed, marks what came of it.
//
//   Sender sender({.owner = replica_id}, {db, client, box, clock, random, gates, registry, policy});
//   sender.Start(); … sender.Stop();
//
// Several replicas may run one each: a delivery is leased to one of them. Deliveries are sent side by side, so one
// that hangs holds up no other; an endpoint has at most `per_endpoint` of them under way, a tenant `per_tenant`.
// Gates: "event_committed_webhook_not_sent" before the request, "webhook_sent_not_marked" behind the answer.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/gate.h"
#include "libs/base/random.h"
#include "libs/http/client.h"
#include "libs/obs/metrics.h"
#include "libs/storage/database.h"
#include "services/session-orchestration/webhook/delivery_store.h"
#include "services/session-orchestration/webhook/policy.h"
#include "services/session-orchestration/webhook/secret_box.h"

namespace flattone::session {

struct SenderOptions {
  std::string owner;  // this replica; unique
  int in_flight = 96;
  int per_endpoint = 8;
  int per_tenant = 16;
  absl::Duration timeout = absl::Seconds(20);  // of one attempt
  absl::Duration lease = absl::Seconds(60);    // longer than the time-out
  absl::Duration poll = absl::Milliseconds(250);
};

struct SenderParts {
  storage::Database& database;
  http::HttpClient& client;
  const SecretBox& box;
  const Clock& clock;
  Random& random;
  const Gates& gates;
  obs::Registry& registry;
  std::shared_ptr<const http::AddressPolicy> policy;  // AddressPolicy::PublicOnly(operator's list)
};

class Sender {
 public:
  Sender(SenderOptions options, SenderParts parts);
  ~Sender();

  void Start();
  // Claims nothing more, waits for what is under way, marks it.
  void Stop();
  // News in the outbox: look now rather than at the next poll. Any thread.
  void Wake();

  // One round in the caller's thread, for tests: claims, sends, waits, marks. Gives how many were sent.
  int Round();

 private:
  struct Finished {
    ClaimedDelivery delivery;
    Attempt attempt;
  };
  struct Sending;

  void Run();
  int ClaimAndSend();
  void Send(ClaimedDelivery delivery);
  bool MarkOne();
  void Mark(const Finished& finished);
  absl::Status MarkIn(storage::Transaction& tx, const Finished& finished, const DeliveryVerdict& verdict);

  const SenderOptions options_;
  SenderParts parts_;
  obs::Counter delivered_, retried_, given_up_, disabled_, failed_to_mark_;
  obs::Gauge in_flight_gauge_;
  obs::Histogram seconds_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Finished> finished_;
  std::map<std::string, int> under_way_, of_tenant_;  // by endpoint; by tenant
  int in_flight_ = 0;
  bool stopping_ = false, woken_ = false;
  std::thread thread_;
};

}  // namespace flattone::session
