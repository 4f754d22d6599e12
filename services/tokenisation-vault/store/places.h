// Which replica holds which capture, so that any other one can say where to go. A row tells the capture's id, its
// tenant and an address: nothing of the card. Replicas renew a lease; a row whose replica's lease has ended is a
// capture that was lost with it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/storage/group_commit.h"

namespace flattone::vault {

struct Replica {
  std::string id;       // new with every start of the process
  std::string address;  // host:port, as other services dial it
};

struct Place {
  std::string tenant;
  Replica replica;
  bool alive = false;
};

class Places {
 public:
  static constexpr absl::Duration kLease = absl::Seconds(15);

  Places(storage::Database& database, storage::GroupCommitter& group, const Clock& clock, Replica self)
      : database_(database), group_(group), clock_(clock), self_(std::move(self)) {}

  const Replica& self() const { return self_; }
  // Once, before the first capture: the port may be known only after it was bound.
  void SetAddress(std::string address) { self_.address = std::move(address); }
  // Every few seconds; also forgets what has long expired.
  absl::Status RenewLease();
  // At shutdown: what was here is lost, and others may say so at once.
  absl::Status Resign();

  // ALREADY_EXISTS when the capture has a place.
  absl::Status Put(const std::string& capture, const std::string& tenant, absl::Time expires);
  // Where it is; nullopt for a capture that nobody has.
  absl::StatusOr<std::optional<Place>> Find(const std::string& capture);
  absl::Status Remove(const std::vector<std::string>& captures);
  // Whether that replica's lease holds.
  absl::StatusOr<bool> Alive(const Replica& replica);

 private:
  storage::Database& database_;
  storage::GroupCommitter& group_;
  const Clock& clock_;
  Replica self_;
};

}  // namespace flattone::vault
