// One connection to one database: the seam between Database and the two native clients. Internal to libs/storage.
// A session is used by one thread at a time. Status codes mean the same on both:
//   ALREADY_EXISTS       a unique index refused the row
//   FAILED_PRECONDITION  a foreign key refused it
//   ABORTED              serialisation failure, deadlock, busy: the whole transaction may be run again
//   UNAVAILABLE          the connection is gone (broken() is true)
//   UNKNOWN              only from Commit: the connection was lost after COMMIT left, nobody knows
//   INTERNAL             anything else: a bug in the SQL, a full disk
// A message never carries a parameter's value.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/storage/value.h"

namespace flattone::storage {

enum class Dialect { kSqlite, kPostgresql };
enum class Access { kRead, kWrite };

class Session {
 public:
  virtual ~Session() = default;
  virtual absl::Status Begin(Access access) = 0;
  virtual absl::Status Commit() = 0;
  virtual void Rollback() = 0;
  virtual absl::StatusOr<Rows> Execute(std::string_view sql, std::span<const Value> values) = 0;
  // Several statements without parameters: migrations.
  virtual absl::Status Script(const std::string& sql) = 0;
  // No statement of this transaction has a time limit from here on: migrations.
  virtual absl::Status LiftLimits() = 0;
  virtual bool broken() const = 0;
};

}  // namespace flattone::storage
