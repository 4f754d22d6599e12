// The secure half of the call table: start, stop, and what shards and masker tell.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/error.h"
#include "services/media-relay/call/call_table.h"
#include "services/media-relay/media/comfort_tone.h"

namespace flattone::relay {
namespace {

constexpr uint32_t kToneHertz = 425;
constexpr int32_t kToneLevel = -160;  // tenths of dBm0

absl::Status NoMasker(const std::string& detail) {
  return Refusal(absl::StatusCode::kUnavailable, {.code = "no_masker", .field = {}, .limit = {}, .fix = "try again"},
                 absl::StrCat("no masker has taken the call", detail.empty() ? "" : ": ", detail));
}
absl::Status CodecNotSupported(const std::string& codec) {
  return Refusal(absl::StatusCode::kFailedPrecondition,
                 {.code = "codec_not_supported", .field = "codec", .limit = "PCMU/8000 or PCMA/8000",
                  .fix = "re-offer the call with G.711"},
                 absl::StrCat("the call uses ", codec, ", which cannot be masked"));
}

absl::Status CheckTone(const FlatToneRequest& tone) {
  if (tone.frequency_hz != 0 && (tone.frequency_hz < 200 || tone.frequency_hz > 3400)) {
    return InvalidField("flat_tone.frequency_hz", absl::StrCat("is ", tone.frequency_hz), "0, or 200 to 3400");
  }
  if (tone.level_tenth_dbm0 != 0 && (tone.level_tenth_dbm0 < -400 || tone.level_tenth_dbm0 > -60)) {
    return InvalidField("flat_tone.level_tenth_dbm0", absl::StrCat("is ", tone.level_tenth_dbm0), "0, or -400 to -60");
  }
  if (tone.duration_ms != 0 && (tone.duration_ms % 20 != 0 || tone.duration_ms > 200)) {
    return InvalidField("flat_tone.duration_ms", absl::StrCat("is ", tone.duration_ms), "0, or a multiple of 20 up to 200");
  }
  return absl::OkStatus();
}

}  // namespace

void CallTable::Protect(const std::string& edge, const std::string& tenant, const std::string& reference,
                        const obs::TraceContext& trace, SecureDone done) {
  const std::lock_guard lock(mutex_);
  auto found = FindForEdge(edge, tenant, reference);
  if (!found.ok()) return done(found.status());
  Call& call = **found;
  if (call.secure) {  // masked already, for whatever reason: nothing to add, and nothing to take away
    return done(SecureReply{call.secure->stopping ? SecureMode::kStopping : SecureMode::kSecure, call.secure->codec});
  }
  meters_.protections.Add();
  SecureRequest request;
  request.tenant_id = tenant;
  request.call_id = call.id;
  request.trace = trace;
  Secure(call, request, std::move(done));
}

void CallTable::StartSecure(const SecureRequest& request, SecureDone done) {
  if (request.capture_id.empty()) return done(InvalidField("capture_id", "is empty", "the capture that the vault has opened"));
  if (request.vault_address.empty()) return done(InvalidField("vault_address", "is empty", "host:port of the capture's vault"));
  if (auto status = CheckTone(request.tone); !status.ok()) return done(status);
  const std::lock_guard lock(mutex_);
  Call* call = FindById(request.tenant_id, request.call_id);
  if (call == nullptr) return done(NotFound());
  if (call->secure && call->secure->capture_id == request.capture_id) {
    if (call->secure->opened) {
      return done(SecureReply{call->secure->stopping ? SecureMode::kStopping : SecureMode::kSecure, call->secure->codec});
    }
    call->secure->waiting.push_back(std::move(done));
    return;
  }
  // A capture that was asked to stop gives way to the next; one that runs does not.
  if (call->secure && !call->secure->capture_id.empty() && !call->secure->stopping) {
    return done(Refusal(absl::StatusCode::kFailedPrecondition,
                        {.code = "capture_running", .field = "capture_id", .limit = {}, .fix = "stop the other capture first"},
                        "another capture has this call"));
  }
  Secure(*call, request, std::move(done));
}

// The codec that the caller is heard in; before anything was heard, or since a re-offer took that one away, the answer's first.
absl::StatusOr<sdp::Codec> CallTable::CodecToMask(Call& call, const CallSnapshot& media) const {
  const std::optional<sdp::Audio>& answer = call.legs[Index(Side::kAgent)].audio;
  if (!call.answered || !answer) {
    return Refusal(absl::StatusCode::kFailedPrecondition,
                   {.code = "call_not_answered", .field = {}, .limit = {}, .fix = "wait for the answer"},
                   "the call has not been answered");
  }
  const sdp::Audio& own = *call.legs[Index(Side::kCaller)].audio;
  const sdp::Codec* codec = nullptr;
  if (media.caller_audio != PayloadKind::kUnknown) {
    codec = answer->Find(media.caller_payload_type);
    if (codec == nullptr) codec = own.Find(media.caller_payload_type);
  }
  if (codec == nullptr) codec = answer->MainCodec();
  if (codec == nullptr) codec = own.MainCodec();
  if (codec == nullptr) return CodecNotSupported("no codec for sound");
  if (!IsG711(KindOf(*codec))) return CodecNotSupported(codec->Name());
  return *codec;
}

void CallTable::Secure(Call& call, const SecureRequest& request, SecureDone done) {
  CallSnapshot media;
  shards_[call.shard]->Run([&](ShardLoop::Context& context) { context.shard.Snapshot(call.slot, media); });
  const auto codec = CodecToMask(call, media);
  if (!codec.ok()) return done(codec.status());
  if (!hop_.Ready()) return done(NoMasker({}));

  SecureState state;
  state.capture_id = request.capture_id;
  state.request = request;
  state.was_secure = call.secure.has_value();
  state.was_stopping = call.secure && call.secure->stopping;
  state.deadline = clock_.MonotonicNanos() + options_.start_limit_ns;
  state.codec = codec->Name();
  state.waiting.push_back(std::move(done));
  // A start that is overtaken by the next is over.
  if (call.secure) {
    for (SecureDone& waiting : call.secure->waiting) {
      worker_.Post([waiting = std::move(waiting)] { waiting(NoMasker("overtaken by the next start")); });
    }
  }
  Install(call, std::move(state), *codec, media.caller_samples / 8);
  log_.Info(request.trace, "turning secure", {{"call", call.id}, {"capture", request.capture_id}});
  Tell(call, CallEvent::Kind::kProtection);
}

// Makes the path (all its memory), switches the shard to it, then asks a masker to open the leg.
void CallTable::Install(Call& call, SecureState state, const sdp::Codec& codec, uint32_t ptime_ms) {
  if (call.secure) {
    hop_.Close(call.secure->leg);
    by_leg_.erase(call.secure->leg);
  }
  state.leg = hop_.NewLeg();
  const FlatToneRequest& tone = state.request.tone;
  const uint32_t hertz = tone.frequency_hz == 0 ? kToneHertz : tone.frequency_hz;
  const int32_t level = tone.level_tenth_dbm0 == 0 ? kToneLevel : tone.level_tenth_dbm0;
  const bool a_law = KindOf(codec) == PayloadKind::kPcma;
  const SecurePath::Config config{.leg = state.leg, .law = a_law ? dsp::Law::kA : dsp::Law::kMu,
                                  .payload_type = codec.payload_type, .samples = static_cast<uint16_t>(ptime_ms * 8),
                                  .tone = std::make_shared<const ComfortTone>(static_cast<int>(hertz), level / 10.0),
                                  .limits = options_.limits};
  auto path = std::make_unique<SecurePath>(config, clock_.MonotonicNanos(), links_[call.shard]->to_hop);
  const MaskedLegSpec spec{.leg = state.leg, .shard = call.shard, .tenant_id = call.tenant, .call_id = call.id,
                           .capture_id = state.receives_keys ? state.capture_id : "",
                           .vault_address = state.request.vault_address, .a_law = a_law, .ptime_ms = ptime_ms,
                           .tone_frequency_hz = hertz, .tone_level_tenth_dbm0 = level,
                           .tone_duration_ms = tone.duration_ms, .traceparent = state.request.trace.Traceparent()};
  // The leg is asked for before its first frame is in the ring, and answered when the shard knows it.
  shards_[call.shard]->Run([&](ShardLoop::Context& context) {
    hop_.Open(spec);
    context.shard.Secure(call.slot, std::move(path), context.now, context.out);
  });
  by_leg_[state.leg] = &call;
  call.secure = std::move(state);
  meters_.secure_calls.Set(static_cast<double>(by_leg_.size()));
}

// A masker has opened the leg, or none has.
void CallTable::FinishStart(Call& call, const absl::Status& status, std::vector<std::function<void()>>& later) {
  SecureState& state = *call.secure;
  std::vector<SecureDone> waiting = std::exchange(state.waiting, {});
  absl::StatusOr<SecureReply> reply = SecureReply{};
  if (status.ok()) {
    state.opened = true;
    reply = SecureReply{state.stopping ? SecureMode::kStopping : SecureMode::kSecure, state.codec};
    if (!state.capture_id.empty() && state.receives_keys) {
      meters_.captures.Add();
      ++call.captures;
    }
  } else {
    reply = status;
    meters_.start_failed.Add();
    log_.Warn(state.request.trace, "capture not started", {{"call", call.id}, {"capture", state.capture_id}, {"status", status}});
    if (state.was_secure) {
      // Back to what it was: masked, with no capture to receive keys. A stop that was asked for still holds, and is
      // told as the end of this capture's protection: the one before it is no longer anybody's.
      const auto* codec = call.legs[Index(Side::kAgent)].audio->MainCodec();
      SecureState before;
      before.was_secure = true;
      before.receives_keys = false;
      if (state.was_stopping) before.capture_id = state.capture_id;
      before.stopping = state.was_stopping;
      before.codec = state.codec;
      before.request = state.request;
      before.request.vault_address.clear();
      before.deadline = INT64_MAX;
      const bool stopping = state.was_stopping;
      sdp::Codec masked = codec == nullptr ? sdp::Codec{} : *codec;
      for (const sdp::Codec& other : call.legs[Index(Side::kAgent)].audio->codecs) {
        if (other.Name() == state.codec) masked = other;
      }
      Install(call, std::move(before), masked, 20);
      if (stopping) {
        shards_[call.shard]->Run([&](ShardLoop::Context& context) { context.shard.AskStop(call.slot); });
      }
    } else {
      hop_.Close(state.leg);
      by_leg_.erase(state.leg);
      shards_[call.shard]->Run([&](ShardLoop::Context& context) {
        context.shard.Unsecure(call.slot, state.leg, context.now, context.out);
      });
      call.secure.reset();
      meters_.secure_calls.Set(static_cast<double>(by_leg_.size()));
    }
  }
  Tell(call, CallEvent::Kind::kProtection);
  for (SecureDone& done : waiting) later.push_back([done = std::move(done), reply] { done(reply); });
}

absl::StatusOr<SecureMode> CallTable::StopSecure(const std::string& tenant, const std::string& id, const std::string& capture_id) {
  const std::lock_guard lock(mutex_);
  Call* call = FindById(tenant, id);
  if (call == nullptr) return NotFound();
  if (!call->secure) return SecureMode::kPlain;
  if (call->secure->capture_id != capture_id) {
    return Refusal(absl::StatusCode::kFailedPrecondition,
                   {.code = "capture_mismatch", .field = "capture_id", .limit = "the capture that has the call", .fix = {}},
                   "another capture has secured this call");
  }
  if (call->secure->stopping) return SecureMode::kStopping;
  call->secure->stopping = true;
  shards_[call->shard]->Run([&](ShardLoop::Context& context) { context.shard.AskStop(call->slot); });
  log_.Info(call->trace, "asked to stop", {{"call", call->id}, {"capture", capture_id}});
  Tell(*call, CallEvent::Kind::kProtection);
  return SecureMode::kStopping;
}

void CallTable::OnNotice(uint32_t shard, const Notice& notice) {
  worker_.Post([this, shard, notice] { TakeNotice(shard, notice); });
}

void CallTable::OnLegNotice(LegNotice notice) {
  worker_.Post([this, notice = std::move(notice)] { TakeLegNotice(notice); });
}

void CallTable::TakeNotice(uint32_t shard, const Notice& notice) {
  const std::lock_guard lock(mutex_);
  const auto found = by_slot_.find(uint64_t{shard} << 32 | notice.slot);
  if (found == by_slot_.end()) return;
  Call& call = *found->second;
  if (notice.kind == Notice::Kind::kIdle) {
    meters_.idle.Add();
    static_cast<void>(End(call, "no packets"));
    return;
  }
  if (!call.secure || call.secure->leg != notice.leg) return;  // of a leg that has been replaced
  switch (notice.kind) {
    case Notice::Kind::kPlain: {
      const std::string capture_id = call.secure->capture_id;
      hop_.Close(notice.leg);
      by_leg_.erase(notice.leg);
      call.secure.reset();
      meters_.secure_calls.Set(static_cast<double>(by_leg_.size()));
      log_.Info(call.trace, "plain again", {{"call", call.id}, {"capture", capture_id}});
      TellPlain(call, capture_id);
      break;
    }
    case Notice::Kind::kCodecChanged:
      log_.Warn(call.trace, "codec changed while secure", {{"call", call.id}});
      Tell(call, CallEvent::Kind::kCodecChanged);
      break;
    case Notice::Kind::kIdle: break;
  }
}

void CallTable::TakeLegNotice(const LegNotice& notice) {
  std::vector<std::function<void()>> later;
  {
    const std::lock_guard lock(mutex_);
    Call* call = FindByLeg(notice.leg);
    if (call == nullptr) return;
    SecureState& state = *call->secure;
    switch (notice.kind) {
      case LegNotice::Kind::kOpened:
        if (!state.opened) FinishStart(*call, absl::OkStatus(), later);
        break;
      case LegNotice::Kind::kRefused:
        // Once opened it stays masked whatever happens; only a start can be refused.
        if (!state.opened && !state.waiting.empty()) FinishStart(*call, NoMasker(notice.detail), later);
        break;
      case LegNotice::Kind::kLost:
        log_.Warn(call->trace, "masker lost", {{"call", call->id}, {"why", notice.detail}});
        Tell(*call, CallEvent::Kind::kMaskerLost, notice.detail);
        break;
      case LegNotice::Kind::kMoved: Tell(*call, CallEvent::Kind::kMaskerReplaced, notice.detail); break;
      case LegNotice::Kind::kKeyLost: Tell(*call, CallEvent::Kind::kKeyLost, notice.detail); break;
    }
  }
  for (const auto& job : later) job();
}

void CallTable::Tick() {
  std::vector<std::function<void()>> later;
  {
    const std::lock_guard lock(mutex_);
    const int64_t now = clock_.MonotonicNanos();
    std::vector<Call*> overdue;
    for (const auto& [leg, call] : by_leg_) {
      const SecureState& state = *call->secure;
      if (!state.opened && !state.waiting.empty() && now > state.deadline) overdue.push_back(call);
    }
    for (Call* call : overdue) FinishStart(*call, NoMasker("none answered in time"), later);
  }
  for (const auto& job : later) job();
}

}  // namespace flattone::relay
