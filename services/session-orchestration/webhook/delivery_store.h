// The webhook outbox: rows that the state's own transaction writes and the sender works off.
//
//   writer (event/event_log.cc): EnqueueDeliveries(tx, event) in the transaction that commits the event
//   sender (worker role only):   Claim → send → Delivered | Retry | GiveUp, each its own short transaction
//
// A claim is a lease on one delivery: when its owner dies the row comes back after `lease`. Only the owner may
// mark it, so a webhook that two replicas raced for is counted once; "sent, not marked" is sent again with the
// same id. One stuck delivery never holds back later ones of its endpoint.
// Tables: schema/schema.cc (webhook_endpoint, webhook_delivery). Functions run inside the caller's transaction.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/random.h"
#include "libs/storage/database.h"

namespace flattone::session {

// An event, as the outbox sees it. `body` is a serialised flattone.session.v1.Event.
struct OutboxEvent {
  std::string id, type, tenant_id;
  int mode = 0;
  int64_t time_us = 0;
};

// Whether an endpoint that wants `event_types` ("payment.*,session.ended"; empty: payment.* and session.ended)
// gets an event of `type`.
bool Wants(std::string_view event_types, std::string_view type);

// One delivery for every enabled endpoint of the event's (tenant, mode) that wants it, each with the next number
// of its endpoint: given under the endpoint's row lock, so without gaps and in commit order. Inside the
// transaction that writes the event, after it.
absl::Status EnqueueDeliveries(storage::Transaction& tx, Random& random, const OutboxEvent& event);

// A delivery that this owner may send now, with all that sending needs.
struct ClaimedDelivery {
  std::string id;  // "msg_…": the webhook-id header
  std::string tenant_id, endpoint_id, event_id;
  int64_t endpoint_sequence = 0;
  int attempts = 0;             // made before this one
  std::string event_body;       // serialised flattone.session.v1.Event
  std::string url;
  std::string secret, signing_key;       // sealed, as stored
  std::vector<std::string> old_secrets;  // sealed; those whose day is not over, newest first
  int64_t failing_since_us = 0;                 // 0: the last delivery of this endpoint went well
};

// What a sender has room for now. Deliveries of an endpoint that has `per_endpoint` under way, or of a tenant that has
// `per_tenant`, are left where they are, and take no place from those of others.
struct SenderRoom {
  int deliveries = 0;
  int per_endpoint = 0;
  int per_tenant = 0;
  std::map<std::string, int> under_way;  // by endpoint
  std::map<std::string, int> of_tenant;
};
// Due deliveries of enabled endpoints, oldest first, leased to `owner` for `lease`. ABORTED "replica_replaced" when the owner
// has a successor (replica/replica.h).
absl::StatusOr<std::vector<ClaimedDelivery>> ClaimDeliveries(storage::Transaction& tx, std::string_view owner, absl::Time now,
                                                             absl::Duration lease, SenderRoom room);

struct DeliveryResult {
  int status = 0;      // HTTP status, 0: none
  std::string error;   // "timeout", "connection refused"…: never the receiver's body
};
// These answer ABORTED (code "lease_lost") when the delivery is not leased to `owner` any more.
absl::Status MarkDelivered(storage::Transaction& tx, std::string_view owner, const ClaimedDelivery& delivery, int status, absl::Time now);
absl::Status MarkRetry(storage::Transaction& tx, std::string_view owner, const ClaimedDelivery& delivery, const DeliveryResult& result,
                       absl::Time next, absl::Time now);
absl::Status MarkFailed(storage::Transaction& tx, std::string_view owner, const ClaimedDelivery& delivery, const DeliveryResult& result,
                        absl::Time now);
// "gone" (410) or "failing" (for days; nothing happens when a delivery has gone well meanwhile). Its pending deliveries stay,
// and go out if it is enabled again.
absl::Status DisableEndpoint(storage::Transaction& tx, std::string_view tenant_id, std::string_view endpoint_id, std::string_view reason);

// Makes deliveries from one endpoint_sequence to another (inclusive) due again, with their ids and numbers.
// Gives how many.
absl::StatusOr<int64_t> ReplayDeliveries(storage::Transaction& tx, std::string_view tenant_id, std::string_view endpoint_id,
                                         int64_t from, int64_t to, absl::Time now);

}  // namespace flattone::session
