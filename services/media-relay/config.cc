#include "services/media-relay/config.h"

namespace flattone::relay {

void Config::Declare(daemon::Flags& flags) {
  flags.Group("Fleet");
  flags.Text("relay-id", &relay_id, "stable name of this relay; empty: made from the host's name and the process id");
  flags.Address("advertise-address", &advertise_address, "how the orchestrator dials this relay; empty: what is bound");
  flags.Address("orchestrator-address", &orchestrator_address, "session-orchestration, for lease, edges and reports");
  flags.List("masker-addresses", &masker_addresses, "dtmf-masking instances; a stream to two of them is kept open");
  flags.Group("Media");
  flags.List("media-address", &media_addresses, "this machine's addresses for RTP: one IPv4, one IPv6, or both");
  flags.Text("media-ports", &media_ports, "first-last, the UDP ports for RTP and RTCP: two per leg");
  flags.Integer("shards", &shards, 1, 64, "threads that forward packets");
  flags.Integer("calls", &calls, 1, 50'000, "calls at most, over all shards");
  flags.Integer("socket-buffer", &socket_buffer, 0, 16 << 20, "bytes of each socket's buffers; 0: the system's");
  flags.Duration("idle-timeout", &idle_timeout, absl::Seconds(1), absl::Hours(24), "a call without a packet ends");
  flags.Duration("held-timeout", &held_timeout, absl::Seconds(1), absl::Hours(24), "the same while a side is on hold");
  flags.Duration("setup-timeout", &setup_timeout, absl::Seconds(1), absl::Hours(1), "the same before the answer");
  flags.Group("Secure capture");
  flags.Duration("frame-deadline", &frame_deadline, absl::Milliseconds(5), absl::Milliseconds(60),
                 "a frame that is not back from the masker leaves as comfort tone");
  flags.Duration("stall-limit", &stall_limit, absl::Milliseconds(40), absl::Seconds(2),
                 "a masker that has not answered for this long is given up");
  flags.Duration("start-limit", &start_limit, absl::Milliseconds(200), absl::Seconds(30), "for a masker to take a capture");
}

}  // namespace flattone::relay
