#include "tools/callbox/phone_call.h"

#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tools/callbox/sdp_text.h"
#include "tools/callbox/wav.h"

namespace flattone::call {
namespace {

uint64_t Mix(uint64_t seed) {  // SplitMix64
  seed += 0x9E3779B97F4A7C15ull;
  seed = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9ull;
  seed = (seed ^ (seed >> 27)) * 0x94D049BB133111EBull;
  return seed ^ (seed >> 31);
}

}  // namespace

PhoneCall::PhoneCall(int index, const Options& options, const Material& material, Engine& engine, MediaClient& relay,
                     Report& report)
    : index_(index), options_(options), material_(material), engine_(engine), relay_(relay), report_(report),
      reference_(absl::StrCat(options.reference, "-", index + 1)) {}

PhoneCall::~PhoneCall() { HangUp(); }

std::unique_ptr<Leg> PhoneCall::MakeLeg(bool caller) {
  const uint64_t seed = Mix(options_.seed * 1000003 + static_cast<uint64_t>(index_) * 2 + (caller ? 0 : 1));
  TalkerOptions talk{.codec = options_.codec, .ptime_ms = options_.ptime_ms,
                     .event_payload_type = options_.event_payload_type, .transport = options_.transport,
                     .ssrc = static_cast<uint32_t>(seed), .first_sequence = static_cast<uint16_t>(seed >> 32),
                     .first_timestamp = static_cast<uint32_t>(Mix(seed)),
                     .drift_ppm = caller ? options_.drift_ppm : 0, .loop = options_.loop};
  Impairments impairments = options_.impairments;
  impairments.seed = Mix(seed);
  const Listener::Options listen{.event_payload_type = options_.event_payload_type, .record = recorded()};
  const auto& capture = caller ? material_.caller_capture : material_.agent_capture;
  std::unique_ptr<Leg> leg;
  if (capture != nullptr) {
    leg = std::make_unique<Leg>(std::make_unique<Replay>(capture), impairments, listen);
  } else {
    auto talker = std::make_unique<Talker>(talk, caller ? material_.caller_voice : material_.agent_voice);
    Talker* raw = talker.get();
    leg = std::make_unique<Leg>(std::move(talker), impairments, listen);
    leg->talker = raw;
    leg->sent.Anchor(talk.ssrc, talk.first_timestamp);
  }
  leg->secure = &secure_;
  leg->rtcp_interval_ns = static_cast<int64_t>(options_.rtcp_seconds * 1e9);
  return leg;
}

absl::Status PhoneCall::Connect() {
  for (Leg* leg : {caller_.get(), agent_.get()}) {
    absl::StatusOr<Port*> port = engine_.OpenPort();
    if (!port.ok()) return port.status();
    leg->port = *port;
  }
  SdpChoice choice{.host = engine_.host(), .codec = options_.codec, .ptime_ms = options_.ptime_ms,
                   .event_payload_type = options_.events_offered() ? options_.event_payload_type : -1,
                   .rtcp_mux = options_.rtcp_seconds > 0};
  choice.port = caller_->port->socket->local().port();
  absl::StatusOr<std::string> to_agent = relay_.Offer(reference_, MakeSdp(choice));
  if (!to_agent.ok()) return to_agent.status();
  placed_ = true;
  choice.port = agent_->port->socket->local().port();
  absl::StatusOr<std::string> to_caller = relay_.Answer(reference_, MakeSdp(choice));
  if (!to_caller.ok()) return to_caller.status();
  absl::StatusOr<Address> agent_side = MediaAddress(*to_agent), caller_side = MediaAddress(*to_caller);
  if (!agent_side.ok()) return agent_side.status();
  if (!caller_side.ok()) return caller_side.status();
  agent_->remote = *agent_side;
  caller_->remote = *caller_side;
  return absl::OkStatus();
}

absl::Status PhoneCall::PlaceCall() {
  caller_ = MakeLeg(true);
  agent_ = MakeLeg(false);
  caller_->other = agent_.get();
  agent_->other = caller_.get();
  if (absl::Status status = Connect(); !status.ok()) return status;
  if (recorded()) {
    for (Leg* leg : {caller_.get(), agent_.get()}) {
      absl::StatusOr<std::unique_ptr<PcapWriter>> file =
          PcapWriter::Create(absl::StrCat(options_.out, "/", reference_, leg == caller_.get() ? "-caller" : "-agent", ".pcap"));
      if (!file.ok()) return file.status();
      leg->pcap = std::move(*file);
    }
  }
  // What the agent hears lies on the caller's time, so that the two recordings can be laid side by side.
  if (caller_->talker != nullptr)
    agent_->heard.Anchor(caller_->talker->options().ssrc, caller_->talker->options().first_timestamp);
  if (agent_->talker != nullptr)
    caller_->heard.Anchor(agent_->talker->options().ssrc, agent_->talker->options().first_timestamp);
  const int64_t frame_ns = options_.ptime_ms * 1000000LL;
  const int64_t phase = static_cast<int64_t>(Mix(options_.seed + static_cast<uint64_t>(index_)) % static_cast<uint64_t>(frame_ns));
  int64_t begin = 0;
  engine_.Invoke([&] {
    begin = WallNanos() + phase;
    engine_.Start(*caller_, phase);
    engine_.Start(*agent_, (phase + frame_ns / 2) % frame_ns);
  });
  started_ = true;
  report_.Line("up", reference_, absl::StrCat("{\"first_sample_ns\":", begin, "}"));
  return absl::OkStatus();
}

bool PhoneCall::typing() {
  bool typing = false;
  if (caller_->talker != nullptr) engine_.Invoke([&] { typing = caller_->talker->typing(); });
  return typing;
}

void PhoneCall::Press(const std::vector<KeyPress>& script) {
  if (caller_->talker == nullptr) return;
  engine_.Invoke([&] { caller_->talker->Press(script, options_.style.gap_ms * (kRate / 1000)); });
}

absl::Status PhoneCall::Type(std::string_view keys, const KeyStyle& style) {
  if (caller_->talker == nullptr)
    return absl::FailedPreconditionError("a replayed capture has its own keys; none can be added");
  absl::StatusOr<std::vector<KeyPress>> presses = Sequence(keys, style);
  if (!presses.ok()) return presses.status();
  Press(*presses);
  while (typing()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  std::this_thread::sleep_for(std::chrono::milliseconds(style.gap_ms));
  return absl::OkStatus();
}

void PhoneCall::WriteRecordings() {
  const std::string base = absl::StrCat(options_.out, "/", reference_);
  const std::pair<const char*, const Listener*> files[] = {{"-caller-sent.wav", &caller_->sent},
                                                           {"-agent-heard.wav", &agent_->heard},
                                                           {"-agent-sent.wav", &agent_->sent},
                                                           {"-caller-heard.wav", &caller_->heard}};
  for (const auto& [name, listener] : files)
    if (absl::Status status = WriteWav(base + name, listener->samples()); !status.ok())
      report_.Error(reference_, "record", std::string(status.message()));
}

void PhoneCall::HangUp() {
  if (ended_ || caller_ == nullptr) return;
  ended_ = true;
  std::string relay_statistics = "null";
  if (placed_) {
    absl::StatusOr<std::string> statistics = relay_.Delete(reference_);
    if (statistics.ok()) relay_statistics = *statistics;
    else report_.Error(reference_, "delete", std::string(statistics.status().message()));
  }
  if (started_) {
    engine_.Invoke([&] {
      engine_.Stop(*caller_);
      engine_.Stop(*agent_);
    });
    caller_->pcap.reset();
    agent_->pcap.reset();
    if (recorded()) WriteRecordings();
    report_.Line("statistics", reference_, absl::StrCat("{\"caller\":", LegJson(*caller_), ",\"agent\":", LegJson(*agent_),
                                                        ",\"relay\":", relay_statistics, "}"));
  }
  for (Leg* leg : {caller_.get(), agent_.get()})
    if (leg->port != nullptr) engine_.ClosePort(leg->port);
}

}  // namespace flattone::call
