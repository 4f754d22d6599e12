// Which process this is among the replicas, across restarts: the owner of its leases.
//
//   auto owner = TakeReplica(db, "orc-1", now);          // at start: "orc-1/7", and what orc-1/6 had leased is free
//   Claim(tx, *owner, …);                                 // leases are taken in the owner's name
//   absl::Status mine = StillReplica(tx, *owner);         // before taking or renewing one
//
// A name is given by the operator (--replica-id) and belongs to one process at a time; each start counts its epoch
// up. A process that was thought dead and goes on (stopped, cut off) has an older epoch: it can take, renew and mark
// nothing any more. Without a name every start is a new owner ("orc_…"), and former leases run out by themselves.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/storage/database.h"

namespace flattone::session {

// INVALID_ARGUMENT unless 1 to 64 characters of [a-z0-9.-].
absl::Status CheckReplicaId(std::string_view id);
// Counts the epoch up and frees the leases of earlier ones (webhook deliveries, captures). The owner's name.
absl::StatusOr<std::string> TakeReplica(storage::Database& db, const std::string& id, absl::Time now);
// ABORTED "replica_replaced" when a process with the same name has started since. Holds the replica's row until the
// end of a writing transaction, so that a successor's start waits for it, and comes after no other row. OK for an
// owner without a name.
absl::Status StillReplica(storage::Transaction& tx, std::string_view owner);

}  // namespace flattone::session
