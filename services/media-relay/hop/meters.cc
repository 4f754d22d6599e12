#include "services/media-relay/hop/meters.h"

#include <vector>

namespace flattone::relay {
namespace {
const std::vector<double> kTurnaround = {0.0005, 0.001, 0.002, 0.005, 0.010, 0.015, 0.025, 0.05, 0.1};
}

HopMeters::HopMeters(obs::Registry& r)
    : batches(r, "flattone_relay_hop_batches_total", "Batches written to maskers"),
      frames(r, "flattone_relay_hop_written_frames_total", "Frames written to maskers"),
      answers(r, "flattone_relay_hop_answers_total", "Masked frames read from maskers"),
      answers_unknown(r, "flattone_relay_hop_unknown_answers_total", "Masked frames of legs that have moved or closed"),
      ring_full(r, "flattone_relay_hop_ring_full_total", "Masked frames dropped because a shard did not take them"),
      dropped_no_stream(r, "flattone_relay_hop_homeless_frames_total", "Frames dropped because their leg had no masker"),
      dropped_backlog(r, "flattone_relay_hop_backlog_frames_total", "Frames dropped because a stream did not take them"),
      streams_opened(r, "flattone_relay_hop_opened_streams_total", "Streams opened"),
      streams_broken(r, "flattone_relay_hop_broken_streams_total", "Streams that ended or failed"),
      streams_stalled(r, "flattone_relay_hop_stalled_streams_total", "Streams given up because nothing came back"),
      legs_opened(r, "flattone_relay_hop_opened_legs_total", "Legs that a masker has opened"),
      legs_refused(r, "flattone_relay_hop_refused_legs_total", "Legs that a masker has refused"),
      legs_moved(r, "flattone_relay_hop_moved_legs_total", "Legs moved to another masker"),
      faults(r, "flattone_relay_hop_faults_total", "Frames that a masker could not use"),
      keys_lost(r, "flattone_relay_hop_lost_keys_total", "Keys that a masker could not deliver"),
      legs(r, "flattone_relay_hop_legs", "Legs now with a masker or waiting for one"),
      streams(r, "flattone_relay_hop_streams", "Streams now open"),
      turnaround_seconds(r, "flattone_relay_hop_turnaround_seconds", "From a batch's writing to its answer's reading",
                         kTurnaround) {}

}  // namespace flattone::relay
