#include "services/dtmf-masking/grpc/relay_stream.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/obs/trace.h"

namespace flattone::masking {
namespace {

std::optional<dsp::Law> LawOf(v1::Codec codec) {
  if (codec == v1::CODEC_PCMU) return dsp::Law::kMu;
  if (codec == v1::CODEC_PCMA) return dsp::Law::kA;
  return std::nullopt;
}

v1::KeyTransport TransportOf(Transport transport) {
  return transport == Transport::kEvent ? v1::KEY_TRANSPORT_TELEPHONE_EVENT : v1::KEY_TRANSPORT_IN_BAND;
}

// What is wrong with a request to open, empty when nothing is.
std::string Problem(const v1::OpenLeg& r) {
  if (r.leg() == 0) return "leg is 0; it must be 1 to 4294967295";
  if (r.tenant_id().empty()) return "tenant_id is empty";
  if (!LawOf(r.codec())) return absl::StrCat("codec is ", static_cast<int>(r.codec()), "; it must be PCMU or PCMA");
  if (r.clock_rate() != 8000 && r.clock_rate() != 0) return absl::StrCat("clock_rate is ", r.clock_rate(), "; it must be 8000");
  if (r.ptime_ms() < 10 || r.ptime_ms() > 60) return absl::StrCat("ptime_ms is ", r.ptime_ms(), "; it must be 10 to 60");
  const uint32_t ahead = r.lookahead_samples();
  if (ahead != 0 && (ahead < Leg::kLeastLookahead || ahead > 480)) {
    return absl::StrCat("lookahead_samples is ", ahead, "; it must be ", Leg::kLeastLookahead, " to 480");
  }
  const v1::FlatTone& tone = r.flat_tone();
  if (tone.frequency_hz() != 0 && (tone.frequency_hz() < 200 || tone.frequency_hz() > 3400)) {
    return absl::StrCat("flat_tone.frequency_hz is ", tone.frequency_hz(), "; it must be 200 to 3400");
  }
  if (tone.level_tenth_dbm0() != 0 && (tone.level_tenth_dbm0() < -400 || tone.level_tenth_dbm0() > -60)) {
    return absl::StrCat("flat_tone.level_tenth_dbm0 is ", tone.level_tenth_dbm0(), "; it must be -400 to -60");
  }
  if (tone.duration_ms() % 20 != 0 || tone.duration_ms() > 200) {
    return absl::StrCat("flat_tone.duration_ms is ", tone.duration_ms(), "; it must be a multiple of 20 up to 200");
  }
  return {};
}

FlatToneOptions ToneOf(const v1::FlatTone& tone) {
  FlatToneOptions options;
  if (tone.frequency_hz() != 0) options.frequency_hz = static_cast<int>(tone.frequency_hz());
  if (tone.level_tenth_dbm0() != 0) options.level_dbm0 = tone.level_tenth_dbm0() / 10.0;
  if (tone.duration_ms() != 0) options.duration_samples = static_cast<int>(tone.duration_ms()) * 8;
  return options;
}

std::optional<FrameKind> KindOf(v1::FrameKind kind) {
  switch (kind) {
    case v1::FRAME_KIND_AUDIO: return FrameKind::kAudio;
    case v1::FRAME_KIND_TELEPHONE_EVENT: return FrameKind::kEvent;
    case v1::FRAME_KIND_COMFORT_NOISE: return FrameKind::kComfortNoise;
    default: return std::nullopt;
  }
}

}  // namespace

RelayStream::RelayStream(Shared& shared, std::function<void()> output) : shared_(shared), output_(std::move(output)) {
  shared_.meters.streams.Add(1);
}

RelayStream::~RelayStream() {
  while (!legs_.empty()) Close(legs_.begin()->first);
  shared_.meters.streams.Add(-1);
}

void RelayStream::Take(v1::MaskRequest& request) {
  const bool old = IsOld(request.sent_ns());
  pending_.set_sent_ns(request.sent_ns());
  for (const v1::OpenLeg& open : request.open()) Open(open);
  for (const v1::ChangeCodec& change : request.change_codec()) Change(change);
  shared_.meters.batch_frames.Observe(request.frames_size());
  for (v1::Frame& frame : *request.mutable_frames()) {
    TakeFrame(frame, old);
    std::string& payload = *frame.mutable_payload();
    std::fill(payload.begin(), payload.end(), '\0');
    asm volatile("" : : "r"(payload.data()) : "memory");
  }
  for (const v1::CloseLeg& close : request.close()) Close(close.leg());
}

// The relay's clock is another one: a batch is as old as it came later than the fastest batch did. The fastest
// creeps up by 100 ppm, for clocks that drift.
bool RelayStream::IsOld(uint64_t sent_ns) {
  if (sent_ns == 0) return false;
  const int64_t now = shared_.clock.MonotonicNanos();
  const int64_t lag = now - static_cast<int64_t>(sent_ns);
  if (least_lag_ != INT64_MAX) least_lag_ += (now - lag_seen_) / 10'000;
  lag_seen_ = now;
  least_lag_ = std::min(least_lag_, lag);
  return lag - least_lag_ > shared_.limits.oldest_frame_ns;
}

v1::LegEvent* RelayStream::AddEvent(uint32_t id, v1::LegEventKind kind, uint32_t timestamp) {
  v1::LegEvent* event = pending_.add_events();
  event->set_leg(id);
  event->set_kind(kind);
  event->set_timestamp(timestamp);
  const auto leg = legs_.find(id);
  if (leg != legs_.end()) event->set_keys(leg->second.leg->keys());
  return event;
}

void RelayStream::Refuse(const v1::OpenLeg& request, const std::string& why, bool another_may) {
  shared_.meters.legs_refused.Add();
  shared_.log.Warn(obs::TraceContext::Parse(request.traceparent()).value_or(obs::TraceContext()), "leg refused",
                   {{"call", request.call_id()}, {"capture", request.capture_id()}, {"why", why}});
  v1::LegEvent* event = AddEvent(request.leg(), v1::LEG_EVENT_KIND_REFUSED, 0);
  event->set_detail(why);
  event->set_another_may(another_may);
}

void RelayStream::Open(const v1::OpenLeg& request) {
  std::string problem = Problem(request);
  if (problem.empty() && legs_.count(request.leg()) != 0) problem = "this leg is open already";
  const std::string& address = request.vault_address().empty() ? shared_.limits.default_vault : request.vault_address();
  const bool captures = !request.capture_id().empty();
  if (problem.empty() && captures && address.empty()) problem = "vault_address is empty and the masker has no default";
  if (!problem.empty()) return Refuse(request, problem, false);
  if (refuse_new_) return Refuse(request, "the masker shuts down", true);
  if (shared_.legs >= shared_.limits.most_legs) {
    return Refuse(request, absl::StrCat("the masker is at its limit of ", shared_.limits.most_legs, " legs"), true);
  }
  ++shared_.legs;
  shared_.meters.legs.Set(shared_.legs);
  const uint32_t id = request.leg();
  OpenLeg& leg = legs_[id];
  leg.call_id = request.call_id();
  leg.capture_id = request.capture_id();
  leg.trace = obs::TraceContext::Parse(request.traceparent()).value_or(obs::TraceContext());
  leg.options.law = *LawOf(request.codec());
  leg.options.packet_samples = static_cast<int>(request.ptime_ms()) * 8;
  if (request.lookahead_samples() != 0) leg.options.lookahead = static_cast<int>(request.lookahead_samples());
  leg.options.flat_tone = ToneOf(request.flat_tone());
  leg.options.noise_seed = static_cast<uint32_t>(shared_.random.Below(UINT32_MAX));
  leg.leg = std::make_unique<Leg>(leg.options);
  if (!captures) {  // protection alone: masked, and nobody receives keys
    Opened(id, absl::OkStatus());
    return;
  }
  KeySender::Listener listener;
  listener.opened = [this, id](const absl::Status& status) { Opened(id, status); };
  listener.delivered = [this, id](uint32_t onset, absl::Duration took) {
    shared_.meters.keys_delivered.Add();
    shared_.meters.key_seconds.Observe(absl::ToDoubleSeconds(took));
    AddEvent(id, v1::LEG_EVENT_KIND_KEY_DELIVERED, onset);
    output_();
  };
  listener.lost = [this, id](uint32_t onset, const absl::Status& why) {
    shared_.meters.keys_lost.Add();
    const auto leg = legs_.find(id);
    if (leg != legs_.end()) shared_.log.Error(leg->second.trace, "key lost", {{"capture", leg->second.capture_id}, {"why", why}});
    AddEvent(id, v1::LEG_EVENT_KIND_KEY_LOST, onset);
    output_();
  };
  listener.retried = [this] { shared_.meters.key_retries.Add(); };
  leg.keys = KeySender::Create({request.tenant_id(), request.capture_id(), request.masker_epoch(), request.traceparent()},
                               shared_.limits.keys, shared_.vault(address), shared_.random, shared_.clock, std::move(listener));
  const std::shared_ptr<KeySender> keys = leg.keys;
  keys->Open();
}

void RelayStream::Opened(uint32_t id, const absl::Status& status) {
  const auto found = legs_.find(id);
  if (found == legs_.end()) return;
  OpenLeg& leg = found->second;
  if (!status.ok()) {
    shared_.meters.legs_refused.Add();
    shared_.log.Warn(leg.trace, "leg refused", {{"call", leg.call_id}, {"capture", leg.capture_id}, {"why", status}});
    AddEvent(id, v1::LEG_EVENT_KIND_REFUSED, 0)
        ->set_detail(absl::StrCat("the vault did not give the capture's key: ", status.ToString()));
    Close(id);
  } else {
    shared_.meters.legs_opened.Add();
    shared_.log.Info(leg.trace, "leg opened", {{"call", leg.call_id}, {"capture", leg.capture_id}});
    AddEvent(id, v1::LEG_EVENT_KIND_OPENED, 0);
  }
  output_();
}

void RelayStream::Change(const v1::ChangeCodec& request) {
  const auto found = legs_.find(request.leg());
  const std::optional<dsp::Law> law = LawOf(request.codec());
  if (found == legs_.end()) return;
  OpenLeg& leg = found->second;
  if (!law || request.ptime_ms() > 60) {
    AddEvent(request.leg(), v1::LEG_EVENT_KIND_FAULT, 0)->set_detail("change_codec: codec must be PCMU or PCMA, ptime_ms 10 to 60");
    return;
  }
  if (request.ptime_ms() >= 10) leg.options.packet_samples = static_cast<int>(request.ptime_ms()) * 8;
  leg.options.law = *law;
  leg.leg->ChangeCodec(*law, leg.options.packet_samples);
}

void RelayStream::TakeFrame(const v1::Frame& frame, bool old) {
  Meters& meters = shared_.meters;
  meters.frames.Add();
  const auto found = legs_.find(frame.leg());
  const std::optional<FrameKind> kind = KindOf(frame.kind());
  if (found == legs_.end()) return meters.stray.Add();
  if (old) return meters.old.Add();
  if (!kind) return meters.faults.Add();
  const InFrame in{.kind = *kind,
                   .timestamp = frame.timestamp(),
                   .marker = frame.marker(),
                   .redundant = frame.redundant(),
                   .before = frame.before_start(),
                   .sequence = frame.sequence() <= UINT16_MAX ? std::optional(static_cast<uint16_t>(frame.sequence())) : std::nullopt,
                   .event_clock_rate = frame.event_clock_rate(),
                   .payload = {reinterpret_cast<const uint8_t*>(frame.payload().data()), frame.payload().size()}};
  std::array<uint8_t, Leg::kMostSamples> out;
  Leg::Report report;
  const Leg::Answer answer = found->second.leg->Take(in, out, report);
  if (answer.send) {
    v1::MaskedFrame* masked = pending_.add_frames();
    masked->set_leg(frame.leg());
    masked->set_timestamp(answer.timestamp);
    masked->set_sequence(frame.sequence());
    masked->set_payload(reinterpret_cast<const char*>(out.data()), static_cast<size_t>(answer.size));
    masked->set_altered(answer.altered);
    masked->set_tone_left(static_cast<uint32_t>(answer.tone_left));
    meters.masked.Add(answer.masked);
    meters.tones.Add(answer.tone);
    meters.filled.Add(answer.filled);
  } else if (!frame.redundant() && !frame.before_start()) {
    meters.late.Add();
  }
  Tell(found->second, frame.leg(), report, frame.timestamp());
}

void RelayStream::Tell(OpenLeg& leg, uint32_t id, const Leg::Report& report, uint32_t timestamp) {
  for (int i = 0; i < report.key_count; ++i) {
    const Leg::Key& key = report.keys[i];
    (key.transport == Transport::kEvent ? shared_.meters.keys_event : shared_.meters.keys_in_band).Add();
    AddEvent(id, v1::LEG_EVENT_KIND_KEY_STARTED, key.rtp_onset)->set_transport(TransportOf(key.transport));
    if (leg.keys != nullptr) leg.keys->Send(&key.symbol, key.rtp_onset);
  }
  if (report.quiet) AddEvent(id, v1::LEG_EVENT_KIND_QUIET, timestamp);
  if (report.fault != nullptr) {
    shared_.meters.faults.Add();
    AddEvent(id, v1::LEG_EVENT_KIND_FAULT, timestamp)->set_detail(report.fault);
  }
}

void RelayStream::Close(uint32_t id) {
  const auto found = legs_.find(id);
  if (found == legs_.end()) return;
  OpenLeg& leg = found->second;
  if (leg.keys != nullptr) leg.keys->Detach();
  shared_.log.Info(leg.trace, "leg closed",
                   {{"call", leg.call_id}, {"capture", leg.capture_id}, {"keys", leg.leg->keys()}});
  legs_.erase(found);
  --shared_.legs;
  shared_.meters.legs.Set(shared_.legs);
}

}  // namespace flattone::masking
