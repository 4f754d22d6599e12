// What the masker counts. Labels are bounded; no symbol is ever one.
#pragma once

#include "libs/obs/metrics.h"

namespace flattone::masking {

struct Meters {
  explicit Meters(obs::Registry& r)
      : frames(r, "flattone_masking_frames_total", "Frames taken from relays"),
        masked(r, "flattone_masking_frames_masked_total", "Frames that left under a mask"),
        tones(r, "flattone_masking_frames_tone_total", "Frames that left with flat tone"),
        filled(r, "flattone_masking_frames_filled_total", "Frames with sound that was never heard, filled with noise"),
        late(r, "flattone_masking_frames_late_total", "Frames without an answer: their successor had left"),
        old(r, "flattone_masking_frames_old_total", "Frames without an answer: older than the limit"),
        stray(r, "flattone_masking_frames_stray_total", "Frames without an answer: no open leg"),
        faults(r, "flattone_masking_frames_faulty_total", "Frames that could not be read"),
        keys_in_band(r, "flattone_masking_keys_total", "Keys accepted", {{"transport", "in_band"}}),
        keys_event(r, "flattone_masking_keys_total", "Keys accepted", {{"transport", "telephone_event"}}),
        keys_delivered(r, "flattone_masking_keys_delivered_total", "Keys that the vault has acknowledged"),
        keys_lost(r, "flattone_masking_keys_lost_total", "Keys that the vault did not take within the bound"),
        key_retries(r, "flattone_masking_key_retries_total", "Key messages sent again"),
        legs_opened(r, "flattone_masking_legs_opened_total", "Legs opened"),
        legs_refused(r, "flattone_masking_legs_refused_total", "Legs not opened"),
        legs(r, "flattone_masking_legs_count", "Legs open now"),
        streams(r, "flattone_masking_streams_count", "Streams from relays open now"),
        key_seconds(r, "flattone_masking_key_delivery_seconds", "From a key's acceptance to the vault's acknowledgement",
                    obs::DurationBounds()),
        batch_frames(r, "flattone_masking_batch_frames_count", "Frames in one request", {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}) {}

  obs::Counter frames, masked, tones, filled, late, old, stray, faults;
  obs::Counter keys_in_band, keys_event, keys_delivered, keys_lost, key_retries;
  obs::Counter legs_opened, legs_refused;
  obs::Gauge legs, streams;
  obs::Histogram key_seconds, batch_frames;
};

}  // namespace flattone::masking
