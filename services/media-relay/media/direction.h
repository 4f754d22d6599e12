// One direction of a call: what one side sends to the other.
#pragma once

#include <cstdint>
#include <memory>

#include "libs/rtp/rewriter.h"
#include "services/media-relay/media/endpoint.h"
#include "services/media-relay/media/meters.h"
#include "services/media-relay/media/outbox.h"
#include "services/media-relay/media/payload_map.h"
#include "services/media-relay/media/statistics.h"

namespace flattone::relay {

struct Direction {
  rtp::HeaderRewriter rewriter;
  DirectionCounts counts;
  Reception reception;
  bool has_ssrc = false;
  uint32_t ssrc = 0;
  int64_t heard_at = 0;  // when it came last
  // The sound seen last.
  PayloadKind audio_kind = PayloadKind::kUnknown;
  uint8_t audio_payload_type = 0;
  uint16_t audio_samples = 160;
};

// Where a direction's packets leave, and what else the shard lends for one event.
struct Way {
  int64_t now = 0;  // monotonic nanoseconds
  Direction& direction;
  PortId port = 0;
  const Endpoint& to;
  Outbox& out;
  MediaMeters& meters;
};

}  // namespace flattone::relay
