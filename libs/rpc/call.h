// What travels beside the messages of a call: who calls, the trace, the time left.
//
//   server:  const rpc::CallInfo call = rpc::InfoOf(*context, random);
//   client:  grpc::ClientContext context;
//            rpc::Prepare(context, {.trace = call.trace.Child(random), .timeout = rpc::TimeLeft(call, clock, absl::Seconds(2))});
#pragma once

#include <string>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/obs/trace.h"
#include "libs/rpc/identity.h"

namespace grpc {
class ChannelInterface;
class ClientContext;
class ServerContextBase;
}  // namespace grpc

namespace flattone::rpc {

struct CallInfo {
  CallerIdentity caller;    // empty on the public listener
  obs::TraceContext trace;  // the caller's, or a new one
  absl::Time deadline;      // InfiniteFuture when the caller set none
  std::string peer;         // "ipv4:127.0.0.1:53412"
};

// Of a call that the access check let through (or of one on the public listener).
CallInfo InfoOf(const grpc::ServerContextBase& context, Random& random);

// A metadata value of the caller, empty when absent ("authorization", "idempotency-key").
std::string MetadataOf(const grpc::ServerContextBase& context, const std::string& key);

struct CallOptions {
  obs::TraceContext trace;
  absl::Duration timeout = absl::Seconds(5);  // infinite for streams without an end
};
// Sets trace metadata and deadline. Before the call starts.
void Prepare(grpc::ClientContext& context, const CallOptions& options);

// How long a call that somebody waits for may wait for its channel: longer than the pause between two tries to connect, so a
// server that is back is always reached; one that stays away is reported soon.
inline constexpr absl::Duration kReconnect = absl::Seconds(1);

// Waits until the channel is connected, at most `limit`; whether it is. A call made right after its server was started again
// would otherwise fail at once, since a channel that has just been refused tries again only after a pause. Nothing has been
// sent by then, so it suits every call. Not for background work, whose own retries do as well and which it would hold up.
bool AwaitReady(grpc::ChannelInterface& channel, absl::Duration limit = kReconnect);

// The caller's remaining time, at most `limit`; never negative.
absl::Duration TimeLeft(const CallInfo& call, const Clock& clock, absl::Duration limit);

}  // namespace flattone::rpc
