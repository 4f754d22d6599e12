// The process's counters of the packet path. One label, `reason`, of fixed values.
#pragma once

#include <string_view>

#include "libs/obs/metrics.h"

namespace flattone::relay {

class MediaMeters {
 public:
  explicit MediaMeters(obs::Registry& registry);

  obs::Counter packets_received, packets_sent, rtcp_received, rtcp_sent;
  obs::Counter dropped_source, dropped_malformed, dropped_payload_type, dropped_late, dropped_no_address, dropped_rtcp;
  obs::Counter frames_sent, frames_masked, frames_altered, events_sent;
  // Why comfort tone left in place of a frame.
  obs::Counter comfort_deadline, comfort_unanswered, comfort_not_open, comfort_codec, comfort_size, comfort_ring_full,
      comfort_switched;
  obs::Counter answers_late;   // of the masker, after the comfort tone
  obs::Counter tone_packets;   // made to finish a flat tone whose caller fell silent
  obs::Counter stalls;
  obs::Histogram hop_seconds;  // from a frame's arrival to its masked sound's leaving

 private:
  obs::Counter Dropped(obs::Registry& registry, std::string_view reason);
  obs::Counter Comfort(obs::Registry& registry, std::string_view reason);
};

}  // namespace flattone::relay
