// An error that a client can act on: which field, what its limits are, what to do, under a stable code.
//
//   return InvalidField("amount_minor", "is 0", "an integer from 1 to 99999999");
//   return Refusal(absl::StatusCode::kFailedPrecondition, {.code = "capture_not_started", .fix = "..."}, "...");
//
// The detail travels as a payload of the Status; libs/rpc turns it into flattone.common.v1.ErrorDetail
// on the wire, the REST door into a problem document (RFC 9457).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace flattone {

struct ErrorDetail {
  std::string code;   // stable, snake_case; clients branch on it
  std::string field;  // path of the offending field, empty where none
  std::string limit;  // what the field may be, empty where none
  std::string fix;    // what the caller can do next, empty where the message says it
};

// `message` says what failed and with which value; never a secret one.
absl::Status Refusal(absl::StatusCode status, ErrorDetail detail, std::string_view message);

// INVALID_ARGUMENT with code "invalid_field": "amount_minor is 0; it must be an integer from 1 to 99999999".
absl::Status InvalidField(std::string_view field, std::string_view what, std::string_view limit);

// The detail that Refusal attached, if any.
std::optional<ErrorDetail> DetailOf(const absl::Status& status);

}  // namespace flattone
