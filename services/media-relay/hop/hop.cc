#include "services/media-relay/hop/hop.h"

#include <algorithm>
#include <chrono>

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

}  // namespace

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
    case ToHop::Type::kChangeCodec: ChangeCodec(leg, record); return;
    case ToHop::Type::kReopen: {
      MaskerStream* stream = leg.stream;
      Detach(leg, true);
      OpenOn(leg, stream != nullptr && stream->open() ? stream : Choose(nullptr));
      return;
    }
    case ToHop::Type::kStalled: TakeStall(leg, record.sequence, now); return;
  }
}

void GrpcMaskerHop::ChangeCodec(Leg& leg, const ToHop& record) {
  leg.spec.a_law = record.a_law;
  leg.spec.ptime_ms = record.ptime_ms;
  if (leg.wire == 0) return;
  if (leg.stream->HasBatch()) leg.stream->NewBatch();  // behind the frames of the old codec
  masking::ChangeCodec& change = *leg.stream->batch().add_change_codec();
  change.set_leg(leg.wire);
  change.set_codec(record.a_law ? masking::CODEC_PCMA : masking::CODEC_PCMU);
  change.set_ptime_ms(std::clamp<uint32_t>(record.ptime_ms, 10, 60));
}

void GrpcMaskerHop::SendFrame(Leg& leg, const ToHop& record, int64_t now) {
  if (leg.wire == 0) {
    if (!record.before_start) meters_.dropped_no_stream.Add();
    return;
  }
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

}  // namespace flattone::relay
