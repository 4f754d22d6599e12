#include "services/media-relay/media/secure_path.h"

#include <algorithm>

#include "libs/rtp/redundancy.h"
#include "libs/rtp/sequence.h"
#include "libs/rtp/telephone_event.h"

namespace flattone::relay {

SecurePath::SecurePath(const Config& config, int64_t now, SpscRing<ToHop>& to_hop)
    : config_(config), to_hop_(to_hop), waiting_since_(now) {}

void SecurePath::TellBefore(const RecentSound& recent) {
  if (!fresh_) return;
  if (Say()) recent.Tell(config_.leg, config_.law == dsp::Law::kA, to_hop_);
  fresh_ = !opened_;
}

SecurePath::Result SecurePath::OnRtp(const Way& way, const rtp::PacketView& packet, const PayloadMap& payloads) {
  const PayloadKind kind = payloads.Kind(packet.payload_type());
  if (kind == PayloadKind::kRedundancy) return TakeRedundancy(way, packet, payloads);
  return TakePayload(way, packet, kind, packet.payload_type(), packet.payload(), payloads);
}

// RFC 2198: older blocks that are events are evidence of keys; the newest is the packet.
SecurePath::Result SecurePath::TakeRedundancy(const Way& way, const rtp::PacketView& packet, const PayloadMap& payloads) {
  const auto view = rtp::RedundancyView::Parse(packet.payload());
  if (!view) {
    ++way.direction.counts.dropped_malformed;
    way.meters.dropped_malformed.Add();
    way.direction.rewriter.LeaveOut(packet.sequence(), packet.payload().size());
    return {};
  }
  const auto blocks = view->blocks();
  for (const rtp::RedundancyBlock& block : blocks.first(blocks.size() - 1)) {
    const bool event = payloads.Kind(block.payload_type) == PayloadKind::kEvent;
    if (!event || !rtp::TelephoneEventsView::Parse(block.payload)) continue;
    const Frame frame{.kind = FrameKind::kEvent, .sequence = packet.sequence(),
                      .timestamp = packet.timestamp() - block.timestamp_offset, .pair = packet.sequence()};
    SendFrame(frame, payloads.ClockRate(block.payload_type), true, block.payload);
  }
  const rtp::RedundancyBlock& primary = view->primary();
  PayloadKind kind = payloads.Kind(primary.payload_type);
  if (kind == PayloadKind::kRedundancy) kind = PayloadKind::kUnknown;  // no nesting
  return TakePayload(way, packet, kind, primary.payload_type, primary.payload, payloads);
}

SecurePath::Result SecurePath::TakePayload(const Way& way, const rtp::PacketView& packet, PayloadKind kind,
                                           uint8_t payload_type, std::span<const uint8_t> payload,
                                           const PayloadMap& payloads) {
  Direction& direction = way.direction;
  Frame frame{.kind = FrameKind::kAudio, .marker = packet.marker(), .payload_type = payload_type,
              .sequence = packet.sequence(), .samples = static_cast<uint16_t>(payload.size()),
              .octets = static_cast<uint16_t>(packet.payload().size()), .timestamp = packet.timestamp(),
              .pair = packet.sequence(), .arrived = way.now};
  tone_due_ = way.now + config_.limits.tone_wait_ns;
  const bool bad_event = kind == PayloadKind::kEvent && !rtp::TelephoneEventsView::Parse(payload);
  if (kind == PayloadKind::kUnknown || bad_event) {
    ++(bad_event ? direction.counts.dropped_malformed : direction.counts.dropped_payload_type);
    (bad_event ? way.meters.dropped_malformed : way.meters.dropped_payload_type).Add();
    direction.rewriter.LeaveOut(frame.sequence, frame.octets);
    return {};
  }
  const bool event = kind == PayloadKind::kEvent;
  if (event) ++direction.counts.events_received;
  const bool overtaken = OvertakenByTone(frame, kind);
  if (overtaken || Late(way, frame.sequence)) {
    ++direction.counts.dropped_late;
    way.meters.dropped_late.Add();
    // Its place in the sequence was taken by the tone, or is a gap that has been seen. What it says is evidence.
    overtaken ? direction.rewriter.LeaveOut(frame.sequence, frame.octets) : direction.rewriter.Lose(frame.octets);
    if (event) frame.kind = FrameKind::kEvent;
    if (event || (Carries(kind) && !payload.empty())) {
      SendFrame(frame, event ? payloads.ClockRate(payload_type) : 0, true, payload);
    }
    return {};
  }
  if (IsAudio(kind)) return TakeAudio(way, frame, kind, payload);
  frame.kind = event ? FrameKind::kEvent : FrameKind::kComfortNoise;
  frame.samples = config_.samples;
  return Submit(way, frame, event ? payloads.ClockRate(payload_type) : 0, payload);
}

SecurePath::Result SecurePath::TakeAudio(const Way& way, Frame frame, PayloadKind kind, std::span<const uint8_t> payload) {
  Result result;
  const bool fits = !payload.empty() && payload.size() <= kMaxFramePayload;
  if (!IsG711(kind) || !fits) frame.samples = config_.samples;  // its bytes do not tell how long it sounds
  if (!IsG711(kind)) {
    result.codec_changed = foreign_payload_type_ != frame.payload_type;
    foreign_payload_type_ = frame.payload_type;
    ComfortNow(way, frame, way.meters.comfort_codec);
    return result;
  }
  if (!Carries(kind)) {
    // What waits was promised in the old codec: it leaves before the change.
    Flush(way);
    config_.law = kind == PayloadKind::kPcmu ? dsp::Law::kMu : dsp::Law::kA;
    result.codec_changed = true;
    Signal(ToHop::Type::kChangeCodec);
  } else if (foreign_payload_type_ != 0xff) {
    result.codec_changed = true;
  }
  foreign_payload_type_ = 0xff;
  config_.payload_type = frame.payload_type;
  if (!fits) {
    ComfortNow(way, frame, way.meters.comfort_size);
    return result;
  }
  config_.samples = frame.samples;
  result.due = Submit(way, frame, 0, payload).due;
  return result;
}

SecurePath::Result SecurePath::Submit(const Way& way, Frame frame, uint32_t event_clock_rate,
                                      std::span<const uint8_t> payload) {
  // Events take no time of their own: an end packet comes three times in one moment, with the sound beside it.
  const bool too_much = frame.kind != FrameKind::kEvent &&
                        Unanswered() + frame.samples > std::max<uint32_t>(config_.limits.unanswered_samples, frame.samples);
  if (size_ == kFrames || too_much) {
    ComfortNow(way, frame, opened_ ? way.meters.comfort_unanswered : way.meters.comfort_not_open);
    return {};
  }
  if (!SendFrame(frame, event_clock_rate, false, payload)) {
    ComfortNow(way, frame, way.meters.comfort_ring_full);
    return {};
  }
  (frame.kind == FrameKind::kEvent ? way.meters.events_sent : way.meters.frames_sent).Add();
  frame.order = ++order_;
  At(size_++) = frame;
  return {.due = Due{way.now + config_.limits.deadline_ns, config_.leg, frame.order}};
}

bool SecurePath::SendFrame(const Frame& frame, uint32_t event_clock_rate, bool redundant,
                           std::span<const uint8_t> payload) {
  ToHop* record = payload.size() > kMaxFramePayload || !Say() ? nullptr : to_hop_.Claim();
  if (record == nullptr) return false;
  record->type = ToHop::Type::kFrame;
  record->kind = frame.kind;
  record->marker = frame.marker;
  record->redundant = redundant;
  record->before_start = false;
  record->sequence = frame.pair;
  record->leg = config_.leg;
  record->timestamp = frame.timestamp;
  record->event_clock_rate = event_clock_rate;
  record->size = static_cast<uint16_t>(payload.size());
  if (!payload.empty()) std::memcpy(record->payload.data(), payload.data(), payload.size());
  to_hop_.Publish();
  return true;
}

void SecurePath::Signal(ToHop::Type type) {
  unsaid_ = static_cast<uint8_t>(unsaid_ | 1u << static_cast<unsigned>(type));
  Say();
}

// What the hop has to know before any further frame: a frame of another law, or of another source, than the masker
// believes would pass unheard. False when the ring is full: the next frame or scan says it, no frame goes before it.
bool SecurePath::Say() {
  for (const ToHop::Type type : {ToHop::Type::kChangeCodec, ToHop::Type::kReopen, ToHop::Type::kStalled}) {
    const unsigned bit = 1u << static_cast<unsigned>(type);
    if ((unsaid_ & bit) == 0) continue;
    ToHop* record = to_hop_.Claim();
    if (record == nullptr) return false;
    record->type = type;
    record->leg = config_.leg;
    record->sequence = opening_;
    record->size = 0;
    record->a_law = config_.law == dsp::Law::kA;
    record->ptime_ms = static_cast<uint16_t>(config_.samples / 8);
    to_hop_.Publish();
    unsaid_ = static_cast<uint8_t>(unsaid_ & ~bit);
  }
  return true;
}

// Sound in the law that the masker expects.
bool SecurePath::Carries(PayloadKind kind) const {
  return kind == (config_.law == dsp::Law::kMu ? PayloadKind::kPcmu : PayloadKind::kPcma);
}

// Its successor has left, or is with the masker, which would answer it no more: waiting for that answer would end as
// a stall. Or it is a repeat.
bool SecurePath::Late(const Way& way, uint16_t sequence) const {
  const rtp::HeaderRewriter& rewriter = way.direction.rewriter;
  if (rewriter.started() && !rtp::SequenceNewer(sequence, rewriter.newest_ingress())) return true;
  for (size_t i = 0; i < size_; ++i) {
    if (!At(i).made && !rtp::SequenceNewer(sequence, At(i).sequence)) return true;
  }
  return false;
}

uint32_t SecurePath::Unanswered() const {
  uint32_t samples = 0;
  for (size_t i = 0; i < size_; ++i) samples += At(i).kind == FrameKind::kEvent ? 0 : At(i).samples;
  return samples;
}

void SecurePath::PopOldest() {
  first_ = (first_ + 1) % kFrames;
  --size_;
}

void SecurePath::OnMasked(const Way& way, const FromHop& answer) {
  size_t found = size_;
  for (size_t i = 0; i < size_ && found == size_; ++i) {
    if (At(i).pair == answer.sequence) found = i;
  }
  if (found == size_) {
    way.meters.answers_late.Add();
    return;
  }
  // Sent before it and not answered: never will be.
  for (size_t i = 0; i < found; ++i) {
    if (!At(0).left) ComfortNow(way, At(0), way.meters.comfort_deadline);
    PopOldest();
  }
  const Frame frame = At(0);
  PopOldest();
  if (frame.left) {
    if (!frame.made) NoteAnswer(way, frame, answer);
    way.meters.answers_late.Add();
    return;
  }
  NoteAnswer(way, frame, answer);
  const bool audio = frame.kind == FrameKind::kAudio;
  if (audio && (answer.size != frame.samples || answer.timestamp != frame.timestamp)) {
    ComfortNow(way, frame, way.meters.comfort_size);
    return;
  }
  if (answer.size == 0) {  // an event that gets no sound of its own
    if (!frame.made) way.direction.rewriter.LeaveOut(frame.sequence, frame.octets);
    return;
  }
  comfort_run_ = 0;
  ++way.direction.counts.frames_masked;
  way.meters.frames_masked.Add();
  if (answer.altered) {
    ++way.direction.counts.frames_altered;
    way.meters.frames_altered.Add();
  }
  way.meters.hop_seconds.Observe(static_cast<double>(way.now - frame.arrived) * 1e-9);
  Leave(way, frame, audio ? frame.payload_type : config_.payload_type, answer.timestamp, answer.bytes());
}

void SecurePath::OnDue(const Way& way, const Due& due) {
  for (size_t i = 0; i < size_; ++i) {
    Frame& frame = At(i);
    if (frame.order != due.order || frame.left) continue;
    ComfortNow(way, frame, opened_ ? way.meters.comfort_deadline : way.meters.comfort_not_open);
    frame.left = true;
  }
}

// Comfort tone for this frame, after whatever waits before it in the sequence.
void SecurePath::ComfortNow(const Way& way, const Frame& frame, obs::Counter& reason) {
  for (size_t i = 0; i < size_; ++i) {
    Frame& waiting = At(i);
    if (waiting.left || waiting.pair == frame.pair || rtp::SequenceNewer(waiting.sequence, frame.sequence)) continue;
    waiting.left = true;
    if (Comfort(way, waiting)) reason.Add();
  }
  if (Comfort(way, frame)) reason.Add();
}

bool SecurePath::Comfort(const Way& way, const Frame& frame) {
  if (frame.made) {  // its masker does not answer: no packet, no number, the tone ends here
    ForgetTone();
    return false;
  }
  if (frame.kind != FrameKind::kAudio) {
    way.direction.rewriter.LeaveOut(frame.sequence, frame.octets);
    return false;
  }
  std::array<uint8_t, kMaxFramePayload> sound;
  const std::span<uint8_t> out(sound.data(), frame.samples);
  if (comfort_run_ < config_.limits.silence_samples) {
    ComfortTone::Silence(config_.law, out);
  } else {
    config_.tone->Tone(config_.law, frame.timestamp, out);
  }
  comfort_run_ += frame.samples;
  if (!Leave(way, frame, config_.payload_type, frame.timestamp, out)) return false;
  ++way.direction.counts.frames_comfort;
  return true;
}

bool SecurePath::Leave(const Way& way, const Frame& frame, uint8_t payload_type, uint32_t timestamp,
                       std::span<const uint8_t> sound) {
  Direction& direction = way.direction;
  const auto number = TakeNumber(way, frame, sound.size());
  if (!number) return false;
  const rtp::Header header{.payload_type = payload_type, .marker = frame.kind == FrameKind::kAudio && frame.marker,
                           .sequence = *number, .timestamp = timestamp, .ssrc = direction.ssrc};
  if (way.to.Unspecified()) {
    ++direction.counts.dropped_no_address;
    way.meters.dropped_no_address.Add();
    return false;
  }
  const std::span<uint8_t> room = way.out.Buffer();
  way.out.Add(way.port, way.to, room.first(rtp::WritePacket(header, sound, room)));
  ++direction.counts.packets_sent;
  way.meters.packets_sent.Add();
  return true;
}

std::optional<uint16_t> SecurePath::TakeNumber(const Way& way, const Frame& frame, size_t octets) {
  rtp::HeaderRewriter& rewriter = way.direction.rewriter;
  if (frame.made) {
    if (!rewriter.started() || frame.sequence != rewriter.newest_ingress()) return std::nullopt;  // the caller is back
    way.meters.tone_packets.Add();
    return rewriter.PutIn(octets);
  }
  if (rewriter.started() && !rtp::SequenceNewer(frame.sequence, rewriter.newest_ingress())) {
    ++way.direction.counts.dropped_late;
    way.meters.dropped_late.Add();
    rewriter.Lose(frame.octets);
    return std::nullopt;
  }
  if (frame.octets != octets) rewriter.Resize(frame.octets, octets);
  return rewriter.Forward(frame.sequence);
}

void SecurePath::Flush(const Way& way) {
  while (size_ != 0) {
    const Frame frame = At(0);
    PopOldest();
    if (!frame.left) ComfortNow(way, frame, way.meters.comfort_switched);
  }
}

void SecurePath::OnNewSource(const Way& way) {
  size_ = 0;  // of the old source: nothing more leaves
  made_until_.reset();
  OnLost(way);
  Signal(ToHop::Type::kReopen);
}

// Frames behind OpenLeg are answered: those that wait go on waiting.
void SecurePath::OnOpened(uint32_t opening) {
  altered_ = false;
  while (size_ != 0 && At(0).left) PopOldest();
  opened_ = true;
  opening_ = opening;
  quiet_ = quiet_since_stop_ = false;
}

void SecurePath::OnLost(const Way& way) {
  Flush(way);
  ForgetTone();
  opened_ = false;
  fresh_ = true;
  waiting_since_ = way.now;
  quiet_ = quiet_since_stop_ = false;
}

void SecurePath::Scan(const Way& way) {
  Say();
  if (opened_) {
    const Frame* oldest = Oldest();
    if (oldest == nullptr || way.now - oldest->arrived <= config_.limits.stall_ns) return;
    way.meters.stalls.Add();
    OnLost(way);
    Signal(ToHop::Type::kStalled);
    return;
  }
  while (size_ != 0 && At(0).left && way.now - At(0).arrived > config_.limits.forget_ns) PopOldest();
  if (way.now - waiting_since_ > config_.limits.open_ns) {
    waiting_since_ = way.now;
    Signal(ToHop::Type::kStalled);
  }
}

void SecurePath::AskStop() {
  if (stop_asked_) return;
  stop_asked_ = true;
  quiet_since_stop_ = false;
  heard_since_stop_ = 0;
}

bool SecurePath::TakeOpening() {
  const bool quiet = stop_asked_ && opened_ && quiet_ && !altered_ &&
                     (quiet_since_stop_ || heard_since_stop_ >= config_.limits.settle_samples);
  if (!quiet) {
    awaited_.reset();
    return false;
  }
  if (!awaited_) awaited_ = order_;
  return size_ == 0 || static_cast<int32_t>(At(0).order - *awaited_) > 0;
}

}  // namespace flattone::relay
