// The check on every call of an internal server: certificate → identity → table. Refused calls get
// PERMISSION_DENIED before any handler runs, are counted (flattone_rpc_refused_total by method) and logged.
#pragma once

#include <memory>
#include <string>

#include "libs/obs/log.h"
#include "libs/obs/metrics.h"

namespace grpc {
class AuthMetadataProcessor;
}

namespace flattone::rpc {

// For InternalServerCredentials. `registry` and `log` must outlive the server.
std::shared_ptr<grpc::AuthMetadataProcessor> MakeAccessCheck(std::string trust_domain, obs::Registry& registry,
                                                             obs::Logger& log);

}  // namespace flattone::rpc
