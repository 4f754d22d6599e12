#include "services/media-relay/media/meters.h"

#include <string>
#include <vector>

namespace flattone::relay {
namespace {
const std::vector<double> kHopBounds = {0.001, 0.002, 0.003, 0.005, 0.0075, 0.010, 0.0125, 0.015};
}

obs::Counter MediaMeters::Dropped(obs::Registry& registry, std::string_view reason) {
  return obs::Counter(registry, "flattone_relay_dropped_packets_total", "Packets dropped, by reason",
                      {{"reason", std::string(reason)}});
}
obs::Counter MediaMeters::Comfort(obs::Registry& registry, std::string_view reason) {
  return obs::Counter(registry, "flattone_relay_comfort_frames_total",
                      "Frames replaced by silence or the flat tone in the relay, by reason",
                      {{"reason", std::string(reason)}});
}

MediaMeters::MediaMeters(obs::Registry& r)
    : packets_received(r, "flattone_relay_received_packets_total", "RTP packets accepted from their leg's peer"),
      packets_sent(r, "flattone_relay_sent_packets_total", "RTP packets sent"),
      rtcp_received(r, "flattone_relay_received_rtcp_total", "RTCP datagrams accepted"),
      rtcp_sent(r, "flattone_relay_sent_rtcp_total", "RTCP datagrams sent"),
      dropped_source(Dropped(r, "source")),
      dropped_malformed(Dropped(r, "malformed")),
      dropped_payload_type(Dropped(r, "payload_type")),
      dropped_late(Dropped(r, "late")),
      dropped_no_address(Dropped(r, "no_address")),
      dropped_rtcp(Dropped(r, "rtcp")),
      frames_sent(r, "flattone_relay_hop_frames_total", "Sound frames given to a masker"),
      frames_masked(r, "flattone_relay_masked_frames_total", "Frames that came back in time and left"),
      frames_altered(r, "flattone_relay_altered_frames_total", "Of these, those whose sound differs from the caller's"),
      events_sent(r, "flattone_relay_hop_events_total", "Telephone-event packets given to a masker"),
      comfort_deadline(Comfort(r, "deadline")),
      comfort_unanswered(Comfort(r, "unanswered")),
      comfort_not_open(Comfort(r, "not_open")),
      comfort_codec(Comfort(r, "codec")),
      comfort_size(Comfort(r, "size")),
      comfort_ring_full(Comfort(r, "ring_full")),
      comfort_switched(Comfort(r, "switched")),
      answers_late(r, "flattone_relay_late_answers_total", "Masked frames that came back after their time limit"),
      tone_packets(r, "flattone_relay_tone_packets_total", "Packets made to finish a flat tone whose caller fell silent"),
      stalls(r, "flattone_relay_stalled_streams_total", "Times a leg had no answer for the stall limit"),
      hop_seconds(r, "flattone_relay_hop_seconds", "From a frame's arrival to its masked sound's leaving", kHopBounds) {}

}  // namespace flattone::relay
