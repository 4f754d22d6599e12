#include "libs/rpc/call.h"

#include <algorithm>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_context.h>

#include "libs/rpc/peer.h"

namespace flattone::rpc {

std::string MetadataOf(const grpc::ServerContextBase& context, const std::string& key) {
  const auto& metadata = context.client_metadata();
  auto found = metadata.find(key);
  return found == metadata.end() ? std::string() : std::string(found->second.data(), found->second.size());
}

CallInfo InfoOf(const grpc::ServerContextBase& context, Random& random) {
  CallInfo info;
  if (auto auth = context.auth_context(); auth != nullptr && auth->IsPeerAuthenticated()) {
    if (auto uri = PeerUri(*auth)) {
      // The access check has compared the trust domain; here it is whatever stands between the slashes.
      const size_t end = uri->find('/', sizeof("spiffe://") - 1);
      if (end != std::string::npos) {
        const size_t begin = sizeof("spiffe://") - 1;
        info.caller = ParseIdentity(*uri, std::string_view(*uri).substr(begin, end - begin)).value_or(CallerIdentity{});
      }
    }
  }
  info.trace = obs::TraceContext::Parse(MetadataOf(context, "traceparent")).value_or(obs::TraceContext());
  if (info.trace.empty()) info.trace = obs::TraceContext::New(random);
  const auto deadline = context.deadline();
  info.deadline = deadline == std::chrono::system_clock::time_point::max() ? absl::InfiniteFuture() : absl::FromChrono(deadline);
  info.peer = context.peer();
  return info;
}

void Prepare(grpc::ClientContext& context, const CallOptions& options) {
  if (!options.trace.empty()) context.AddMetadata("traceparent", options.trace.Traceparent());
  if (options.timeout < absl::InfiniteDuration()) {
    context.set_deadline(absl::ToChronoTime(SystemClock().Now() + options.timeout));
  }
}

bool AwaitReady(grpc::ChannelInterface& channel, absl::Duration limit) {
  if (channel.GetState(true) == GRPC_CHANNEL_READY) return true;
  return channel.WaitForConnected(absl::ToChronoTime(SystemClock().Now() + limit));
}

absl::Duration TimeLeft(const CallInfo& call, const Clock& clock, absl::Duration limit) {
  return std::max(absl::ZeroDuration(), std::min(limit, call.deadline - clock.Now()));
}

}  // namespace flattone::rpc
