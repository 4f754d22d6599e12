// The relay's settings.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/daemon/flags.h"

namespace flattone::relay {

struct Config {
  std::string relay_id;
  std::string advertise_address;
  std::vector<std::string> media_addresses = {"127.0.0.1"};
  std::string media_ports = "30000-39999";
  std::string orchestrator_address = "127.0.0.1:7005";
  std::vector<std::string> masker_addresses = {"127.0.0.1:7002"};
  int shards = 1;
  int calls = 2000;
  int socket_buffer = 0;
  absl::Duration idle_timeout = absl::Seconds(60);
  absl::Duration held_timeout = absl::Minutes(30);
  absl::Duration setup_timeout = absl::Minutes(5);
  absl::Duration frame_deadline = absl::Milliseconds(15);
  absl::Duration stall_limit = absl::Milliseconds(100);
  absl::Duration start_limit = absl::Seconds(3);

  void Declare(daemon::Flags& flags);
};

}  // namespace flattone::relay
