// What the hop counts. No labels.
#pragma once

#include "libs/obs/metrics.h"

namespace flattone::relay {

class HopMeters {
 public:
  explicit HopMeters(obs::Registry& registry);
  obs::Counter batches, frames, answers, answers_unknown, ring_full, dropped_no_stream, dropped_backlog, streams_opened,
      streams_broken, streams_stalled, legs_opened, legs_refused, legs_moved, faults, keys_lost;
  obs::Gauge legs, streams;
  obs::Histogram turnaround_seconds;  // from a batch's writing to its answer's reading
};

}  // namespace flattone::relay
