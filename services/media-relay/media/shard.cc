#include "services/media-relay/media/shard.h"

#include <algorithm>
#include <cstring>

#include "libs/rtp/packet.h"
#include "libs/rtp/redundancy.h"
#include "libs/rtp/rewriter.h"
#include "libs/rtp/rtcp.h"

namespace flattone::relay {
namespace {
constexpr int64_t kIdleScan = 1'000'000'000;

// Wipes a received packet on every way out.
class WipeOnReturn {
 public:
  WipeOnReturn(std::span<uint8_t> bytes, bool wipe) : bytes_(bytes), wipe_(wipe) {}
  ~WipeOnReturn() {
    if (wipe_ && !bytes_.empty()) std::memset(bytes_.data(), 0, bytes_.size());
  }
  WipeOnReturn(const WipeOnReturn&) = delete;
  WipeOnReturn& operator=(const WipeOnReturn&) = delete;

 private:
  std::span<uint8_t> bytes_;
  const bool wipe_;
};

// The codec in use, also while masked: the next capture asks for it.
void NoteAudio(Direction& direction, PayloadKind kind, const rtp::PacketView& packet) {
  if (!IsAudio(kind)) return;
  direction.audio_kind = kind;
  direction.audio_payload_type = packet.payload_type();
  if (IsG711(kind) && !packet.payload().empty() && packet.payload().size() <= kMaxFramePayload) {
    direction.audio_samples = static_cast<uint16_t>(packet.payload().size());
  }
}

// What the caller says now; of redundant data (RFC 2198) that is the newest block.
void KeepRecent(RecentSound& recent, PayloadKind kind, const rtp::PacketView& packet, const PayloadMap& payloads) {
  uint8_t payload_type = packet.payload_type();
  std::span<const uint8_t> payload = packet.payload();
  if (kind == PayloadKind::kRedundancy) {
    const auto view = rtp::RedundancyView::Parse(payload);
    if (!view) return;
    payload_type = view->primary().payload_type;
    payload = view->primary().payload;
    kind = payloads.Kind(payload_type);
  }
  recent.Keep(kind, packet.timestamp(), payloads.ClockRate(payload_type), payload);
}
}  // namespace

Shard::Shard(const ShardOptions& options, MediaMeters& meters, NoticeSink notices)
    : options_(options), meters_(meters), notices_(std::move(notices)), calls_(options.slots) {
  dues_.items.resize(size_t{options.slots} * 8 + 64);
}

bool Shard::Add(uint32_t slot, int64_t now) {
  if (slot >= calls_.size() || calls_[slot]) return false;
  calls_[slot] = std::make_unique<MediaCall>();
  calls_[slot]->created = calls_[slot]->last_packet = now;
  ++calls_in_use_;
  return true;
}

void Shard::SetLeg(uint32_t slot, Side side, const LegConfig& config) {
  if (MediaCall* call = Find(slot)) {
    call->legs[Index(side)].config = config;
    call->legs[Index(side)].learner.Signal(config.learning);
  }
}

void Shard::SetPayloads(uint32_t slot, Side sender, const PayloadMap& payloads) {
  if (MediaCall* call = Find(slot)) call->payloads[Index(sender)] = payloads;
}

void Shard::SetAnswered(uint32_t slot) {
  if (MediaCall* call = Find(slot)) call->answered = true;
}

bool Shard::Remove(uint32_t slot, Outbox& out) {
  MediaCall* call = Find(slot);
  if (call == nullptr) return false;
  if (call->secure) by_leg_.erase(call->secure->leg());
  out.Flush();
  calls_[slot].reset();
  --calls_in_use_;
  return true;
}

bool Shard::Snapshot(uint32_t slot, CallSnapshot& snapshot) const {
  const MediaCall* call = Find(slot);
  if (call == nullptr) return false;
  for (size_t i = 0; i < 2; ++i) {
    snapshot.counts[i] = call->directions[i].counts;
    snapshot.lost[i] = call->directions[i].reception.Lost();
    snapshot.jitter_us[i] = call->directions[i].reception.JitterMicros();
    snapshot.remotes[i] = call->legs[i].learner.rtp();
  }
  const Direction& caller = call->directions[Index(Side::kCaller)];
  snapshot.mode = call->Mode();
  snapshot.caller_audio = caller.audio_kind;
  snapshot.caller_payload_type = caller.audio_payload_type;
  snapshot.caller_samples = caller.audio_samples;
  snapshot.keys = call->keys;
  snapshot.masker_changes = call->masker_changes;
  return true;
}

Way Shard::WayFrom(int64_t now, uint32_t slot, MediaCall& call, Side sender, Outbox& out) {
  const Side receiver = Other(sender);
  return {.now = now, .direction = call.directions[Index(sender)], .port = slot * 4 + static_cast<uint32_t>(Index(receiver)) * 2,
          .to = call.legs[Index(receiver)].learner.rtp(), .out = out, .meters = meters_};
}

void Shard::Secure(uint32_t slot, std::unique_ptr<SecurePath> path, int64_t now, Outbox& out) {
  MediaCall* call = Find(slot);
  if (call == nullptr) return;
  if (call->secure) {
    call->secure->Flush(WayFrom(now, slot, *call, Side::kCaller, out));
    by_leg_.erase(call->secure->leg());
  }
  by_leg_[path->leg()] = slot;
  call->secure = std::move(path);
}

void Shard::Unsecure(uint32_t slot, uint32_t leg, int64_t now, Outbox& out) {
  MediaCall* call = Find(slot);
  if (call == nullptr || !call->secure || call->secure->leg() != leg) return;
  call->secure->Flush(WayFrom(now, slot, *call, Side::kCaller, out));
  by_leg_.erase(leg);
  call->secure.reset();
}

void Shard::AskStop(uint32_t slot) {
  if (MediaCall* call = Find(slot); call != nullptr && call->secure) call->secure->AskStop();
}

void Shard::OnPacket(int64_t now, PortId port, const Endpoint& source, std::span<uint8_t> bytes, Outbox& out) {
  MediaCall* call = Find(port / 4);
  if (call == nullptr) return;
  const bool rtcp_port = (port & 1) != 0;
  const MediaLeg& leg = call->legs[(port >> 1) & 1];
  const WipeOnReturn wipe(bytes, call->secure != nullptr);
  if (rtcp_port || (leg.config.rtcp_mux && rtp::LooksLikeRtcp(bytes))) {
    OnRtcp(now, port, *call, source, bytes, out);
  } else {
    OnRtp(now, port, *call, source, bytes, out);
  }
  if (call->secure) out.Flush();  // what points into `bytes` leaves before they are wiped
}

void Shard::OnRtp(int64_t now, PortId port, MediaCall& call, const Endpoint& source, std::span<uint8_t> bytes, Outbox& out) {
  const uint32_t slot = port / 4;
  const Side sender = ((port >> 1) & 1) == 0 ? Side::kCaller : Side::kAgent;
  Direction& direction = call.directions[Index(sender)];
  const auto packet = rtp::PacketView::Parse(bytes);
  if (!packet) {
    ++direction.counts.dropped_malformed;
    meters_.dropped_malformed.Add();
    return;
  }
  const PayloadMap& payloads = call.payloads[Index(sender)];
  const PayloadKind kind = payloads.Kind(packet->payload_type());
  const bool accepted = call.legs[Index(sender)].learner.AcceptRtp(
      {.source = source, .ssrc = packet->ssrc(), .sequence = packet->sequence(), .negotiated = kind != PayloadKind::kUnknown});
  if (!accepted) {
    ++direction.counts.dropped_source;
    meters_.dropped_source.Add();
    return;
  }
  call.last_packet = now;
  call.reported_idle = false;
  ++direction.counts.packets_received;
  direction.counts.octets_received += packet->payload().size();
  meters_.packets_received.Add();
  const bool other = direction.has_ssrc && direction.ssrc != packet->ssrc();
  // A type that nobody negotiated does not bring a new source: RTCP astray on the RTP port would look like one. Nor does
  // another SSRC beside the one that is heard: two that take turns would open the leg anew with each packet.
  if (other && (kind == PayloadKind::kUnknown || now - direction.heard_at < options_.source_silence_ns)) {
    return PassStray(WayFrom(now, slot, call, sender, out), call, sender, kind, bytes);
  }
  if (other || !direction.has_ssrc) TakeSource(now, slot, call, sender, *packet, out);
  direction.heard_at = now;
  const Way way = WayFrom(now, slot, call, sender, out);
  if (direction.rewriter.Restarts(packet->sequence())) TakeRestart(way, call, sender, packet->sequence());
  const uint32_t clock_rate = payloads.ClockRate(packet->payload_type());
  direction.reception.Packet(now, packet->sequence(), packet->timestamp(), clock_rate == 0 ? 8000 : clock_rate);

  NoteAudio(direction, kind, *packet);
  if (sender == Side::kCaller) {
    if (call.secure) call.secure->TellBefore(call.recent);
    KeepRecent(call.recent, kind, *packet, payloads);
  }
  if (sender == Side::kCaller && call.secure) {
    TakeResult(slot, call, call.secure->OnRtp(way, *packet, payloads), way);
    return;
  }
  if (kind == PayloadKind::kEvent) ++direction.counts.events_received;
  Forward(way, packet->sequence(), bytes);
}

// The first packet of a source: its numbers have nothing to do with those before.
void Shard::TakeSource(int64_t now, uint32_t slot, MediaCall& call, Side sender, const rtp::PacketView& packet, Outbox& out) {
  Direction& direction = call.directions[Index(sender)];
  if (direction.has_ssrc) {
    direction.rewriter.Reset();
    direction.reception.Restart();
  }
  const bool changed = direction.has_ssrc;
  if (sender == Side::kCaller) call.recent.Forget();
  direction.has_ssrc = true;
  direction.ssrc = packet.ssrc();
  if (changed && sender == Side::kCaller && call.secure) call.secure->OnNewSource(WayFrom(now, slot, call, sender, out));
}

// The same source, with new numbers: what waits has the old ones.
void Shard::TakeRestart(const Way& way, MediaCall& call, Side sender, uint16_t sequence) {
  if (sender == Side::kCaller && call.secure) call.secure->Flush(way);
  way.direction.rewriter.Restart(sequence);
  way.direction.reception.Restart();
}

// In plain it passes as it is, and takes no part in the stream's numbers.
void Shard::PassStray(const Way& way, const MediaCall& call, Side sender, PayloadKind kind, std::span<uint8_t> bytes) {
  if (sender == Side::kCaller && call.secure) {
    const bool unknown = kind == PayloadKind::kUnknown;
    ++(unknown ? way.direction.counts.dropped_payload_type : way.direction.counts.dropped_source);
    (unknown ? meters_.dropped_payload_type : meters_.dropped_source).Add();
    return;
  }
  Send(way, bytes);
}

void Shard::Forward(const Way& way, uint16_t sequence, std::span<uint8_t> bytes) {
  if (!way.to.Unspecified()) {
    const uint16_t egress = way.direction.rewriter.Forward(sequence);
    if (egress != sequence) rtp::SetSequence(bytes, egress);
  }
  Send(way, bytes);
}

void Shard::Send(const Way& way, std::span<const uint8_t> bytes) {
  if (way.to.Unspecified()) {
    ++way.direction.counts.dropped_no_address;
    meters_.dropped_no_address.Add();
    return;
  }
  way.out.Add(way.port, way.to, bytes);
  ++way.direction.counts.packets_sent;
  meters_.packets_sent.Add();
}

void Shard::TakeResult(uint32_t slot, MediaCall& call, const SecurePath::Result& result, const Way& way) {
  if (result.codec_changed) {
    call.codec_changed = true;
    TellCodec(way.now, slot, call);
  }
  if (!result.due) return;
  if (dues_.size == dues_.items.size()) {
    call.secure->OnDue(way, *result.due);  // no room to time it: comfort tone now
    return;
  }
  dues_.items[(dues_.first + dues_.size++) % dues_.items.size()] = *result.due;
}

// Types that take turns would be a notice per packet: the next is told when the last is a second old.
void Shard::TellCodec(int64_t now, uint32_t slot, MediaCall& call) {
  if (!call.codec_changed || now - call.codec_told < options_.codec_notice_ns) return;
  call.codec_changed = false;
  call.codec_told = now;
  notices_({Notice::Kind::kCodecChanged, slot, call.secure->leg()});
}

void Shard::OnRtcp(int64_t now, PortId port, MediaCall& call, const Endpoint& source, std::span<const uint8_t> bytes, Outbox& out) {
  const Side sender = ((port >> 1) & 1) == 0 ? Side::kCaller : Side::kAgent;
  const Side receiver = Other(sender);
  Direction& direction = call.directions[Index(sender)];
  const auto drop = [&] {
    ++direction.counts.rtcp_dropped;
    meters_.dropped_rtcp.Add();
  };
  const auto compound = rtp::RtcpCompound::Parse(bytes);
  if (!compound) return drop();
  // Every type that may lead names its sender first.
  const rtp::RtcpPacket first = *compound->begin();
  MediaLeg& leg = call.legs[Index(sender)];
  const bool muxed = (port & 1) == 0;
  const bool accepted = muxed ? leg.learner.learned() && source == leg.learner.rtp()
                              : leg.learner.AcceptRtcp(source, rtp::Load32(first.body.data()));
  if (!accepted) return drop();
  ++direction.counts.rtcp_received;
  meters_.rtcp_received.Add();

  const MediaLeg& to = call.legs[Index(receiver)];
  const Endpoint& address = to.config.rtcp_mux ? to.learner.rtp() : to.learner.rtcp();
  if (address.Unspecified() || bytes.size() > Outbox::kRoom) return drop();
  const std::span<uint8_t> room = out.Buffer();
  const size_t size = rtp::RewriteRtcp(*compound, direction.rewriter, call.directions[Index(receiver)].rewriter,
                                       call.secure != nullptr, room);
  if (size == 0) return drop();
  const PortId base = port / 4 * 4 + static_cast<PortId>(Index(receiver)) * 2;
  out.Add(to.config.rtcp_mux ? base : base + 1, address, room.first(size));
  ++direction.counts.rtcp_sent;
  meters_.rtcp_sent.Add();
}

void Shard::OnAnswer(int64_t now, FromHop& record, Outbox& out) {
  const auto found = by_leg_.find(record.leg);
  if (found == by_leg_.end()) {
    if (record.type == FromHop::Type::kMasked) meters_.answers_late.Add();
    record.Wipe();
    return;
  }
  const uint32_t slot = found->second;
  MediaCall& call = *calls_[slot];
  SecurePath& path = *call.secure;
  const Way way = WayFrom(now, slot, call, Side::kCaller, out);
  switch (record.type) {
    case FromHop::Type::kMasked: path.OnMasked(way, record); break;
    case FromHop::Type::kOpened: path.OnOpened(record.sequence); break;
    case FromHop::Type::kLost:
      path.OnLost(way);
      ++call.masker_changes;
      break;
    case FromHop::Type::kKeyStarted:
      ++call.keys;
      path.OnKeyStarted();
      break;
    case FromHop::Type::kQuiet: path.OnQuiet(); break;
  }
  record.Wipe();
  OpenIfQuiet(slot, call, way);
}

void Shard::OpenIfQuiet(uint32_t slot, MediaCall& call, const Way& way) {
  if (!call.secure->TakeOpening()) return;
  const uint32_t leg = call.secure->leg();
  call.secure->Flush(way);
  by_leg_.erase(leg);
  call.secure.reset();
  notices_({Notice::Kind::kPlain, slot, leg});
}

void Shard::OnTimer(int64_t now, Outbox& out) {
  RunDues(now, out);
  if (now >= next_scan_) {
    next_scan_ = now + options_.scan_ns;
    ScanSecure(now, out);
  }
  if (now >= next_idle_scan_) {
    next_idle_scan_ = now + kIdleScan;
    ScanIdle(now);
  }
}

void Shard::RunDues(int64_t now, Outbox& out) {
  while (dues_.size != 0 && dues_.items[dues_.first].at <= now) {
    const SecurePath::Due due = dues_.items[dues_.first];
    dues_.first = (dues_.first + 1) % dues_.items.size();
    --dues_.size;
    const auto found = by_leg_.find(due.leg);
    if (found == by_leg_.end()) continue;
    MediaCall& call = *calls_[found->second];
    call.secure->OnDue(WayFrom(now, found->second, call, Side::kCaller, out), due);
  }
}

void Shard::ScanSecure(int64_t now, Outbox& out) {
  for (const auto& [leg, slot] : by_leg_) {
    MediaCall& call = *calls_[slot];
    const Way way = WayFrom(now, slot, call, Side::kCaller, out);
    call.secure->Scan(way);
    TellCodec(now, slot, call);
    while (const auto due = call.secure->FinishTone(way)) TakeResult(slot, call, {.due = due}, way);
  }
}

void Shard::ScanIdle(int64_t now) {
  for (uint32_t slot = 0; slot < calls_.size(); ++slot) {
    MediaCall* call = calls_[slot].get();
    if (call == nullptr || call->reported_idle) continue;
    const bool held = call->legs[0].config.held || call->legs[1].config.held;
    const int64_t limit = !call->answered ? options_.setup_ns : held ? options_.held_idle_ns : options_.idle_ns;
    if (now - call->last_packet <= limit) continue;
    call->reported_idle = true;
    notices_({Notice::Kind::kIdle, slot, call->secure ? call->secure->leg() : 0});
  }
}

int64_t Shard::NextDeadline() const {
  int64_t next = next_idle_scan_;
  if (!by_leg_.empty()) next = std::min(next, next_scan_);
  if (dues_.size != 0) next = std::min(next, dues_.items[dues_.first].at);
  return next;
}

}  // namespace flattone::relay
