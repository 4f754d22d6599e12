// What every handler of the vault's services does first and last.
#pragma once

#include <grpcpp/server_context.h>

#include "libs/base/random.h"
#include "libs/rpc/call.h"
#include "libs/rpc/status.h"
#include "services/tokenisation-vault/service/captures.h"

namespace flattone::vault {

inline Caller CallerOf(const grpc::ServerContextBase& context, Random& random) {
  const rpc::CallInfo info = rpc::InfoOf(context, random);
  return {info.caller.ToString(), info.peer + " " + info.trace.TraceId()};
}

}  // namespace flattone::vault
