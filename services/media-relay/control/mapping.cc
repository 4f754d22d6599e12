#include "services/media-relay/control/mapping.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::relay {
namespace {

namespace media = flattone::media::v1;
namespace session = flattone::session::v1;

void Fill(const CallView& view, Side sender, media::DirectionStatistics& out) {
  const DirectionCounts& counts = view.media.counts[Index(sender)];
  out.set_packets_received(counts.packets_received);
  out.set_octets_received(counts.octets_received);
  out.set_packets_sent(counts.packets_sent);
  out.set_packets_lost(view.media.lost[Index(sender)]);
  out.set_dropped_source(counts.dropped_source);
  out.set_dropped_malformed(counts.dropped_malformed);
  out.set_dropped_payload_type(counts.dropped_payload_type);
  out.set_dropped_late(counts.dropped_late);
  out.set_frames_masked(counts.frames_masked);
  out.set_frames_altered(counts.frames_altered);
  out.set_frames_comfort(counts.frames_comfort);
  out.set_events_received(counts.events_received);
  out.set_rtcp_received(counts.rtcp_received);
  out.set_rtcp_sent(counts.rtcp_sent);
  out.set_rtcp_dropped(counts.rtcp_dropped);
  out.set_jitter_us(view.media.jitter_us[Index(sender)]);
}

session::CallReportKind ToProto(CallEvent::Kind kind) {
  switch (kind) {
    case CallEvent::Kind::kStarted: return session::CALL_REPORT_KIND_STARTED;
    case CallEvent::Kind::kEnded: return session::CALL_REPORT_KIND_ENDED;
    case CallEvent::Kind::kProtection: return session::CALL_REPORT_KIND_PROTECTION;
    case CallEvent::Kind::kMaskerLost: return session::CALL_REPORT_KIND_MASKER_LOST;
    case CallEvent::Kind::kMaskerReplaced: return session::CALL_REPORT_KIND_MASKER_REPLACED;
    case CallEvent::Kind::kCodecChanged: return session::CALL_REPORT_KIND_CODEC_CHANGED;
    case CallEvent::Kind::kKeyLost: return session::CALL_REPORT_KIND_KEY_LOST;
  }
  return session::CALL_REPORT_KIND_UNSPECIFIED;
}

}  // namespace

media::SecureState ToProto(SecureMode mode) {
  switch (mode) {
    case SecureMode::kPlain: return media::SECURE_STATE_PLAIN;
    case SecureMode::kStarting: return media::SECURE_STATE_STARTING;
    case SecureMode::kSecure: return media::SECURE_STATE_SECURE;
    case SecureMode::kStopping: return media::SECURE_STATE_STOPPING;
  }
  return media::SECURE_STATE_UNSPECIFIED;
}

media::CallStatistics StatisticsOf(const CallView& view) {
  media::CallStatistics out;
  Fill(view, Side::kCaller, *out.mutable_caller_to_agent());
  Fill(view, Side::kAgent, *out.mutable_agent_to_caller());
  out.set_captures(view.captures);
  out.set_masker_changes(view.media.masker_changes);
  out.set_keys(view.media.keys);
  out.set_duration_ms(view.duration_ms);
  return out;
}

media::Call ToProto(const CallView& view, const std::string& relay_id) {
  media::Call out;
  out.set_call_id(view.call_id);
  out.set_tenant_id(view.tenant_id);
  out.set_call_reference(view.call_reference);
  out.set_edge_id(view.edge_id);
  out.set_secure_state(ToProto(view.mode));
  out.set_capture_id(view.capture_id);
  out.set_created_ms(view.created_ms);
  out.set_relay_id(relay_id);
  for (const Side side : {Side::kCaller, Side::kAgent}) {
    const LegView& leg = view.legs[Index(side)];
    media::Leg& to = *out.add_legs();
    to.set_side(side == Side::kCaller ? media::SIDE_CALLER : media::SIDE_AGENT);
    to.set_local_address(leg.local.Address());
    to.set_local_port(leg.local.port);
    if (!leg.remote.Unspecified()) {
      to.set_remote_address(leg.remote.Address());
      to.set_remote_port(leg.remote.port);
    }
    to.set_codec(leg.codec);
    to.set_ptime_ms(leg.ptime_ms);
  }
  return out;
}

session::CallReport ToProto(const CallEvent& event, std::string report_id) {
  session::CallReport out;
  out.set_report_id(std::move(report_id));
  out.set_kind(ToProto(event.kind));
  out.set_tenant_id(event.call.tenant_id);
  out.set_call_id(event.call.call_id);
  out.set_call_reference(event.call.call_reference);
  out.set_capture_id(event.call.capture_id);
  out.set_secure_state(ToProto(event.call.mode));
  out.set_time_ms(event.time_ms);
  out.set_detail(event.detail);
  *out.mutable_statistics() = StatisticsOf(event.call);
  return out;
}

absl::StatusOr<std::optional<Side>> ToSide(media::Side side, std::string_view field) {
  switch (side) {
    case media::SIDE_UNSPECIFIED: return std::optional<Side>();
    case media::SIDE_CALLER: return std::optional<Side>(Side::kCaller);
    case media::SIDE_AGENT: return std::optional<Side>(Side::kAgent);
    default: return InvalidField(field, absl::StrCat("is ", static_cast<int>(side)), "SIDE_CALLER or SIDE_AGENT");
  }
}

}  // namespace flattone::relay
