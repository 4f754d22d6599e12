// Which leg is with which masker: opening, closing, moving.
#include "services/media-relay/hop/hop.h"

#include <algorithm>

#include "absl/time/time.h"

namespace flattone::relay {
namespace {
namespace masking = flattone::masking::v1;

constexpr int64_t kAlive = 50'000'000;  // a stream that was heard of within this time is not the one that stalls

}  // namespace

void GrpcMaskerHop::CountReady() {
  int open = 0;
  for (const auto& stream : streams_) open += stream->open() ? 1 : 0;
  ready_ = open;
  meters_.streams.Set(open);
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

void GrpcMaskerHop::Move(Leg& leg, MaskerStream* to, const std::string& why) {
  if (leg.opened) {
    PushControl(leg, FromHop::Type::kLost, 0);
    Tell(leg, LegNotice::Kind::kLost, why);
  }
  Detach(leg, true);
  OpenOn(leg, to);
  meters_.legs_moved.Add();
}

void GrpcMaskerHop::MoveLegsOf(MaskerStream* stream, const std::string& why) {
  size_t moved = 0;
  for (auto& [id, leg] : legs_) {
    if (leg.stream != stream) continue;
    Move(leg, Choose(stream), why);
    ++moved;
  }
  if (moved > 0) log_.Warn("legs of a masker move", {{"masker", stream->name()}, {"legs", moved}, {"why", why}});
}

void GrpcMaskerHop::PlaceHomeless() {
  for (auto& [id, leg] : legs_) {
    if (leg.wire == 0) OpenOn(leg, Choose(nullptr));
  }
}

// A masker has no room for the leg: once round the others; false when all have been asked.
bool GrpcMaskerHop::AskAnother(Leg& leg) {
  MaskerStream* const other = Choose(leg.stream);
  if (other == nullptr || ++leg.refusals >= streams_.size()) {
    leg.refusals = 0;
    return false;
  }
  Detach(leg, false);
  OpenOn(leg, other);
  return true;
}

// A leg has had no answers for the stall limit.
void GrpcMaskerHop::TakeStall(Leg& leg, uint32_t opening, int64_t now) {
  MaskerStream* const stream = leg.stream;
  if (stream == nullptr) return;  // none is there: PlaceHomeless
  MaskerStream* const other = Choose(stream);
  if (!leg.opened) {  // never opened here: elsewhere, or once more
    Detach(leg, true);
    return OpenOn(leg, other != nullptr ? other : Choose(nullptr));
  }
  if (opening != leg.wire) return;  // said of an opening that is over: it has moved meanwhile
  if (now - stream->heard_at() < kAlive) {
    log_.Warn("a leg moves alone", {{"masker", stream->name()}, {"call", leg.spec.call_id}});
    return Move(leg, other != nullptr ? other : stream, "no answers");
  }
  meters_.streams_stalled.Add();
  stream->Abandon(now);
  CountReady();
  MoveLegsOf(stream, "no answers");
}

}  // namespace flattone::relay
