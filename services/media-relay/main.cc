// media-relay: wiring only.
#include <unistd.h>

#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "libs/daemon/process.h"
#include "libs/secret/hardening.h"
#include "services/media-relay/config.h"
#include "services/media-relay/relay.h"

int main(int argc, char** argv) {
  using namespace flattone;
  daemon::Process process({.name = "media-relay",
                           .about = "Forwards the voice of calls, and sends the caller's through a masker while a card is taken.",
                           .grpc_port = 7001, .metrics_port = 9101, .realtime_priority = 1, .harden = &secret::HardenCardZone});
  relay::Config config;
  config.Declare(process.flags());
  if (auto exit_code = process.Start(argc, argv)) return *exit_code;
  auto relay = relay::Relay::Create(config, process);
  if (!relay.ok()) {
    process.log().Error("cannot start", {{"status", relay.status()}});
    return 1;
  }
  return process.Run({.started = [&] { return (*relay)->Start(); },
                      .drain = [&](absl::Time deadline) { (*relay)->Drain(deadline); },
                      .stop = [&] { (*relay)->Stop(); }});
}
