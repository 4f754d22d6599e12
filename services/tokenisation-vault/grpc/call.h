// What every handler of the vault's services does first and last.
#pragma once

#include <grpcpp/server_context.h>

#include <string>

#include "libs/base/error.h"
#include "libs/base/random.h"
#include "libs/obs/log.h"
#include "libs/rpc/call.h"
#include "libs/rpc/status.h"
#include "services/tokenisation-vault/service/captures.h"

namespace flattone::vault {

inline Caller CallerOf(const rpc::CallInfo& info) { return {info.caller.ToString(), info.peer + " " + info.trace.TraceId()}; }
inline Caller CallerOf(const grpc::ServerContextBase& context, Random& random) { return CallerOf(rpc::InfoOf(context, random)); }

// "ok", the refusal's code, or the status's name: what a log line says of a call.
inline std::string ResultOf(const absl::Status& status) {
  const auto detail = DetailOf(status);
  if (detail.has_value() && !detail->code.empty()) return detail->code;
  return status.ok() ? "ok" : std::string(absl::StatusCodeToString(status.code()));
}

}  // namespace flattone::vault
