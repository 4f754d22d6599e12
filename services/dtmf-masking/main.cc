// dtmf-masking: wiring only. README.md says what the rooms do.
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "flattone/masking/v1/masking.grpc.pb.h"
#include "libs/daemon/process.h"
#include "libs/secret/hardening.h"
#include "services/dtmf-masking/grpc/mask_server.h"

int main(int argc, char** argv) {
  using namespace flattone;
  daemon::Process process({.name = "dtmf-masking",
                           .about = "Finds keys in a caller's sound, puts one flat tone in their place and sends them, "
                                    "sealed, to the vault.",
                           .grpc_port = 7002,
                           .metrics_port = 9102,
                           .realtime_priority = 1,
                           .harden = &secret::HardenCardZone});
  masking::StreamLimits limits;
  absl::Duration oldest_frame = absl::Milliseconds(200);
  daemon::Flags& flags = process.flags();
  flags.Group("Masking");
  flags.Integer("max-legs", &limits.most_legs, 1, 100'000, "legs that this process masks at once; more are refused");
  flags.Duration("frame-limit", &oldest_frame, absl::Milliseconds(20), absl::Seconds(2),
                 "frames that came later than this after the fastest are not answered");
  flags.Group("Keys");
  flags.Address("vault-address", &limits.default_vault, "the vault for legs that name none, host:port; empty: such legs are refused");
  flags.Duration("key-attempt", &limits.keys.attempt, absl::Milliseconds(50), absl::Seconds(10), "limit of one call to the vault");
  flags.Duration("key-bound", &limits.keys.bound, absl::Seconds(1), absl::Minutes(1),
                 "how long a key is tried before it counts as lost");
  if (const auto exit_code = process.Start(argc, argv)) return *exit_code;
  limits.oldest_frame_ns = absl::ToInt64Nanoseconds(oldest_frame);

  masking::MaskServer server(limits, process.clock(), process.random(), process.log(), process.metrics(),
                             [&process](const std::string& address) { return process.Dial(address, "tokenisation-vault"); });
  process.Add<masking::v1::MaskingService>(server.service());
  process.OnBuild([&server](grpc::ServerBuilder& builder) { server.UseQueue(builder.AddCompletionQueue()); });
  return process.Run({.started = [&server] { server.Start(); return absl::OkStatus(); },
                      .drain = [&server](absl::Time deadline) { server.Drain(deadline); },
                      .stop = [&server] { server.Stop(); }});
}
