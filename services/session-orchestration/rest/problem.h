// Statuses as RFC 9457 problem documents: one table for the whole REST door.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "libs/http/server.h"

namespace flattone::session::rest {

// The HTTP status that a Status becomes; two codes (idempotency_key_reused, …) have their own.
int HttpStatus(const absl::Status& status);

// {"type","title","status","detail","code","field","limit","fix","trace_id"}; empty members are left out. What went
// wrong inside (INTERNAL and the like) is not told, only the trace id to ask for.
std::string ProblemJson(const absl::Status& status, const std::string& trace_id);

http::Response ProblemResponse(const absl::Status& status, const std::string& trace_id);

}  // namespace flattone::session::rest
