#include "services/media-relay/hop/hop.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "absl/time/time.h"

namespace flattone::relay {
namespace {
namespace masking = flattone::masking::v1;

constexpr int64_t kMillisecond = 1'000'000;

masking::FrameKind KindOf(FrameKind kind) {
  switch (kind) {
    case FrameKind::kAudio: return masking::FRAME_KIND_AUDIO;
    case FrameKind::kEvent: return masking::FRAME_KIND_TELEPHONE_EVENT;
    case FrameKind::kComfortNoise: return masking::FRAME_KIND_COMFORT_NOISE;
  }
  return masking::FRAME_KIND_UNSPECIFIED;
}

const std::vector<double> kTurnaround = {0.0005, 0.001, 0.002, 0.005, 0.010, 0.015, 0.025, 0.05, 0.1};

}  // namespace

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

GrpcMaskerHop::GrpcMaskerHop(std::vector<Masker> maskers, const Clock& clock, HopMeters& meters, obs::Logger& log)
    : clock_(clock), meters_(meters), log_(log) {
  for (Masker& masker : maskers) {
    if (streams_.size() == kStreams) break;
    streams_.push_back(std::make_unique<MaskerStream>(masker.name, masker.channel, queue_, live_calls_));
  }
}

GrpcMaskerHop::~GrpcMaskerHop() { Stop(); }

void GrpcMaskerHop::Start() {
  to_wake_.assign(shards_.size(), false);
  thread_ = std::thread([this] { Loop(); });
}

void GrpcMaskerHop::Stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  thread_.join();
  for (auto& stream : streams_) stream->Abandon(INT64_MAX / 2);
  void* tag = nullptr;
  bool ok = false;
  while (live_calls_ > 0 && queue_.Next(&tag, &ok)) {
    MaskerStream* stream = nullptr;
    MaskerStream::Complete(static_cast<MaskerStream::Tag*>(tag), false, 0, &stream);
  }
  queue_.Shutdown();
  while (queue_.Next(&tag, &ok)) {
  }
}

void GrpcMaskerHop::Open(const MaskedLegSpec& spec) {
  const std::lock_guard lock(mutex_);
  commands_.push_back({Command::Type::kOpen, spec});
}

void GrpcMaskerHop::Close(uint32_t leg) {
  Command command{Command::Type::kClose, {}};
  command.spec.leg = leg;
  const std::lock_guard lock(mutex_);
  commands_.push_back(std::move(command));
}

// How long a batch may wait for company.
int64_t GrpcMaskerHop::FlushAfter() const {
  if (legs_.size() <= 20) return 0;
  return legs_.size() <= 200 ? 2 * kMillisecond : 5 * kMillisecond;
}

void GrpcMaskerHop::Loop() {
  while (!stopping_) {
    const int64_t nap = legs_.empty() ? 10 * kMillisecond : std::clamp(FlushAfter() / 2, kMillisecond, 2 * kMillisecond);
    void* tag = nullptr;
    bool ok = false;
    auto deadline = std::chrono::system_clock::now() + std::chrono::nanoseconds(nap);  // lint: allow (gRPC deadlines are wall clock)
    // Everything that is ready, then one round of the rings.
    for (int i = 0; i < 64; ++i) {
      const auto next = queue_.AsyncNext(&tag, &ok, deadline);
      if (next != grpc::CompletionQueue::GOT_EVENT) break;
      const int64_t now = clock_.MonotonicNanos();
      MaskerStream* stream = nullptr;
      switch (MaskerStream::Complete(static_cast<MaskerStream::Tag*>(tag), ok, now, &stream)) {
        case MaskerStream::Event::kOpened:
          meters_.streams_opened.Add();
          log_.Info("masker stream open", {{"masker", stream->name()}});
          CountReady();
          PlaceHomeless();
          break;
        case MaskerStream::Event::kMessage: TakeMessage(stream, now); break;
        case MaskerStream::Event::kBroken:
          meters_.streams_broken.Add();
          CountReady();
          MoveLegsOf(stream, "stream ended");
          break;
        case MaskerStream::Event::kNothing: break;
      }
      deadline = std::chrono::system_clock::now();  // lint: allow (gRPC deadlines are wall clock)
    }
    const int64_t now = clock_.MonotonicNanos();
    RunCommands();
    DrainShards(now);
    for (auto& stream : streams_) stream->Connect(now);
    FlushStreams(now);
    PushOverflow();
    for (size_t i = 0; i < shards_.size(); ++i) {
      if (to_wake_[i]) shards_[i].wake();
      to_wake_[i] = false;
    }
  }
}

void GrpcMaskerHop::CountReady() {
  int open = 0;
  for (const auto& stream : streams_) open += stream->open() ? 1 : 0;
  ready_ = open;
  meters_.streams.Set(open);
}

void GrpcMaskerHop::RunCommands() {
  std::vector<Command> commands;
  {
    const std::lock_guard lock(mutex_);
    commands.swap(commands_);
  }
  for (Command& command : commands) {
    const uint32_t id = command.spec.leg;
    if (command.type == Command::Type::kOpen) {
      Leg& leg = legs_[id];
      leg.spec = std::move(command.spec);
      OpenOn(leg, Choose(nullptr));
    } else if (const auto found = legs_.find(id); found != legs_.end()) {
      Detach(found->second, true);
      legs_.erase(found);
    }
  }
  if (!commands.empty()) meters_.legs.Set(static_cast<double>(legs_.size()));
}

// The open stream with the fewest legs; one that has shown life before one that has not.
MaskerStream* GrpcMaskerHop::Choose(const MaskerStream* avoid) const {
  MaskerStream* best = nullptr;
  for (const auto& stream : streams_) {
    if (!stream->open() || stream.get() == avoid) continue;
    const bool better = best == nullptr || (stream->proven() && !best->proven()) ||
                        (stream->proven() == best->proven() && stream->legs < best->legs);
    if (better) best = stream.get();
  }
  return best;
}

// Rises with every opening, and over restarts of the relay.
uint32_t GrpcMaskerHop::NextEpoch() {
  const auto seconds = static_cast<uint32_t>(absl::ToUnixSeconds(clock_.Now()));
  epoch_ = std::max(epoch_ + 1, seconds);
  return epoch_;
}

void GrpcMaskerHop::OpenOn(Leg& leg, MaskerStream* stream) {
  if (stream == nullptr) return;  // when one opens, PlaceHomeless finds it
  leg.stream = stream;
  leg.generation = stream->opened_at();
  leg.wire = next_wire_++;
  by_wire_[leg.wire] = leg.spec.leg;
  ++stream->legs;
  masking::OpenLeg& open = *stream->batch().add_open();
  open.set_leg(leg.wire);
  open.set_tenant_id(leg.spec.tenant_id);
  open.set_call_id(leg.spec.call_id);
  open.set_capture_id(leg.spec.capture_id);
  open.set_vault_address(leg.spec.vault_address);
  open.set_masker_epoch(NextEpoch());
  open.set_codec(leg.spec.a_law ? masking::CODEC_PCMA : masking::CODEC_PCMU);
  open.set_clock_rate(8000);
  open.set_ptime_ms(std::clamp<uint32_t>(leg.spec.ptime_ms, 10, 60));
  masking::FlatTone& tone = *open.mutable_flat_tone();
  tone.set_frequency_hz(leg.spec.tone_frequency_hz);
  tone.set_level_tenth_dbm0(leg.spec.tone_level_tenth_dbm0);
  tone.set_duration_ms(leg.spec.tone_duration_ms);
  open.set_traceparent(leg.spec.traceparent);
}

void GrpcMaskerHop::Detach(Leg& leg, bool tell_masker) {
  if (leg.wire == 0) return;
  if (tell_masker && leg.stream->open() && leg.stream->opened_at() == leg.generation) {
    leg.stream->batch().add_close()->set_leg(leg.wire);
  }
  by_wire_.erase(leg.wire);
  --leg.stream->legs;
  leg.wire = 0;
  leg.stream = nullptr;
  leg.opened = false;
}

void GrpcMaskerHop::MoveLegsOf(MaskerStream* stream, const std::string& why) {
  size_t moved = 0;
  for (auto& [id, leg] : legs_) {
    if (leg.stream != stream) continue;
    if (leg.opened) {
      PushControl(leg, FromHop::Type::kLost, 0);
      Tell(leg, LegNotice::Kind::kLost, why);
    }
    Detach(leg, false);
    OpenOn(leg, Choose(stream));
    ++moved;
  }
  meters_.legs_moved.Add(moved);
  if (moved > 0) log_.Warn("legs of a masker move", {{"masker", stream->name()}, {"legs", moved}, {"why", why}});
}

void GrpcMaskerHop::PlaceHomeless() {
  for (auto& [id, leg] : legs_) {
    if (leg.wire == 0) OpenOn(leg, Choose(nullptr));
  }
}

void GrpcMaskerHop::DrainShards(int64_t now) {
  for (const Shard& shard : shards_) {
    while (ToHop* record = shard.link->to_hop.Front()) {
      TakeRecord(*record, now);
      record->Wipe();
      shard.link->to_hop.Release();
    }
  }
}

void GrpcMaskerHop::TakeRecord(const ToHop& record, int64_t now) {
  auto found = legs_.find(record.leg);
  if (found == legs_.end()) {
    RunCommands();  // its opening was asked for before this was put into the ring
    found = legs_.find(record.leg);
  }
  if (found == legs_.end()) return;
  Leg& leg = found->second;
  switch (record.type) {
    case ToHop::Type::kFrame: SendFrame(leg, record, now); return;
    case ToHop::Type::kChangeCodec: {
      leg.spec.a_law = record.a_law;
      leg.spec.ptime_ms = record.ptime_ms;
      if (leg.wire == 0) return;
      if (leg.stream->HasBatch()) leg.stream->NewBatch();  // behind the frames of the old codec
      masking::ChangeCodec& change = *leg.stream->batch().add_change_codec();
      change.set_leg(leg.wire);
      change.set_codec(record.a_law ? masking::CODEC_PCMA : masking::CODEC_PCMU);
      change.set_ptime_ms(std::clamp<uint32_t>(record.ptime_ms, 10, 60));
      return;
    }
    case ToHop::Type::kReopen: {
      MaskerStream* stream = leg.stream;
      Detach(leg, true);
      OpenOn(leg, stream != nullptr && stream->open() ? stream : Choose(nullptr));
      return;
    }
    case ToHop::Type::kStalled: {
      MaskerStream* stream = leg.stream;
      if (stream == nullptr) return;  // none is there: PlaceHomeless
      if (!leg.opened) {  // never opened here: elsewhere, or once more
        Detach(leg, true);
        MaskerStream* other = Choose(stream);
        OpenOn(leg, other != nullptr ? other : Choose(nullptr));
        return;
      }
      meters_.streams_stalled.Add();
      stream->Abandon(now);
      CountReady();
      MoveLegsOf(stream, "no answers");
      return;
    }
  }
}

void GrpcMaskerHop::SendFrame(Leg& leg, const ToHop& record, int64_t now) {
  if (leg.wire == 0) return meters_.dropped_no_stream.Add();
  MaskerStream& stream = *leg.stream;
  if (stream.waiting_frames() >= kBacklog) return meters_.dropped_backlog.Add();
  masking::Frame& frame = *stream.batch().add_frames();
  frame.set_leg(leg.wire);
  frame.set_kind(KindOf(record.kind));
  frame.set_timestamp(record.timestamp);
  frame.set_sequence(record.sequence);
  frame.set_marker(record.marker);
  frame.set_redundant(record.redundant);
  frame.set_before_start(record.before_start);
  frame.set_payload(record.payload.data(), record.size);
  frame.set_event_clock_rate(record.event_clock_rate == 8000 ? 0 : record.event_clock_rate);
  stream.CountFrame(now);
  meters_.frames.Add();
}

void GrpcMaskerHop::FlushStreams(int64_t now) {
  for (auto& stream : streams_) {
    if (!stream->open() || stream->writing() || !stream->HasBatch()) continue;
    const bool control_only = stream->waiting_frames() == 0;
    if (!control_only && now - stream->batch_since() < FlushAfter()) continue;
    stream->Flush(now);
    meters_.batches.Add();
  }
}

void GrpcMaskerHop::TakeMessage(MaskerStream* stream, int64_t now) {
  masking::MaskResponse& message = stream->message();
  // An opening comes before the frames that it allows, what was heard in frames behind them.
  const auto opening = [](const masking::LegEvent& event) { return event.kind() == masking::LEG_EVENT_KIND_OPENED; };
  for (const masking::LegEvent& event : message.events()) {
    if (opening(event)) TakeEvent(event);
  }
  for (const masking::MaskedFrame& frame : message.frames()) TakeMasked(frame);
  for (const masking::LegEvent& event : message.events()) {
    if (!opening(event)) TakeEvent(event);
  }
  if (message.sent_ns() != 0) {
    meters_.turnaround_seconds.Observe(static_cast<double>(now - static_cast<int64_t>(message.sent_ns())) * 1e-9);
  }
  stream->NextRead();
}

void GrpcMaskerHop::TakeMasked(const masking::MaskedFrame& frame) {
  meters_.answers.Add();
  const auto wire = by_wire_.find(frame.leg());
  if (wire == by_wire_.end() || frame.payload().size() > kMaxFramePayload) return meters_.answers_unknown.Add();
  const Leg& leg = legs_.find(wire->second)->second;
  FromHop* record = shards_[leg.spec.shard].link->from_hop.Claim();
  if (record == nullptr) return meters_.ring_full.Add();
  record->type = FromHop::Type::kMasked;
  record->leg = leg.spec.leg;
  record->timestamp = frame.timestamp();
  record->sequence = frame.sequence();
  record->tone_left = frame.tone_left();
  record->altered = frame.altered();
  record->size = static_cast<uint16_t>(frame.payload().size());
  std::memcpy(record->payload.data(), frame.payload().data(), frame.payload().size());
  shards_[leg.spec.shard].link->from_hop.Publish();
  to_wake_[leg.spec.shard] = true;
}

void GrpcMaskerHop::TakeEvent(const masking::LegEvent& event) {
  const auto wire = by_wire_.find(event.leg());
  if (wire == by_wire_.end()) return;
  Leg& leg = legs_.find(wire->second)->second;
  switch (event.kind()) {
    case masking::LEG_EVENT_KIND_OPENED:
      meters_.legs_opened.Add();
      PushControl(leg, FromHop::Type::kOpened, event.timestamp());
      Tell(leg, leg.was_opened ? LegNotice::Kind::kMoved : LegNotice::Kind::kOpened);
      leg.opened = leg.was_opened = true;
      break;
    case masking::LEG_EVENT_KIND_REFUSED:
      meters_.legs_refused.Add();
      log_.Warn("a masker refused a leg", {{"call", leg.spec.call_id}, {"detail", event.detail()}});
      leg.opened = false;
      Tell(leg, LegNotice::Kind::kRefused, event.detail());
      if (leg.was_opened && !leg.spec.capture_id.empty()) {
        // Its capture is over, or its vault gone: the call stays masked, and nobody receives keys any more.
        leg.spec.capture_id.clear();
        MaskerStream* stream = leg.stream;
        Detach(leg, false);
        OpenOn(leg, stream);
      }
      break;
    case masking::LEG_EVENT_KIND_KEY_STARTED: PushControl(leg, FromHop::Type::kKeyStarted, event.timestamp()); break;
    case masking::LEG_EVENT_KIND_QUIET: PushControl(leg, FromHop::Type::kQuiet, event.timestamp()); break;
    case masking::LEG_EVENT_KIND_KEY_LOST:
      meters_.keys_lost.Add();
      Tell(leg, LegNotice::Kind::kKeyLost, event.detail());
      break;
    case masking::LEG_EVENT_KIND_FAULT: meters_.faults.Add(); break;
    default: break;
  }
}

// Records that change a leg's state are never lost: they wait when the ring is full.
void GrpcMaskerHop::PushControl(const Leg& leg, FromHop::Type type, uint32_t timestamp) {
  FromHop record;
  record.type = type;
  record.leg = leg.spec.leg;
  record.timestamp = timestamp;
  record.size = 0;
  overflow_.emplace_back(leg.spec.shard, record);
  PushOverflow();
}

void GrpcMaskerHop::PushOverflow() {
  while (!overflow_.empty()) {
    const auto& [shard, record] = overflow_.front();
    FromHop* slot = shards_[shard].link->from_hop.Claim();
    if (slot == nullptr) return;
    slot->type = record.type;
    slot->leg = record.leg;
    slot->timestamp = record.timestamp;
    slot->size = 0;
    shards_[shard].link->from_hop.Publish();
    to_wake_[shard] = true;
    overflow_.pop_front();
  }
}

void GrpcMaskerHop::Tell(const Leg& leg, LegNotice::Kind kind, const std::string& detail) {
  if (sink_) sink_({kind, leg.spec.leg, detail});
}

}  // namespace flattone::relay
