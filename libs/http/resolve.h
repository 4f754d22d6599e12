// Host names to addresses, by the system's resolver. Blocks; any thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/http/address.h"

namespace flattone::http {

// Every IPv4 and IPv6 address of `host`, in the resolver's order. UNAVAILABLE when there is none or nobody answers.
absl::StatusOr<std::vector<IpAddress>> SystemResolve(const std::string& host);

}  // namespace flattone::http
