// What maskers say: masked frames and changes of a leg's state, on to the shards.
#include <cstring>

#include "services/media-relay/hop/hop.h"

namespace flattone::relay {
namespace {
namespace masking = flattone::masking::v1;
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
      if (!leg.keyless) Tell(leg, leg.was_opened ? LegNotice::Kind::kMoved : LegNotice::Kind::kOpened);
      leg.opened = leg.was_opened = true;
      leg.refusals = 0;
      break;
    case masking::LEG_EVENT_KIND_REFUSED:
      meters_.legs_refused.Add();
      log_.Warn("a masker refused a leg", {{"call", leg.spec.call_id}, {"detail", event.detail()}});
      leg.opened = false;
      if (event.another_may() && AskAnother(leg)) break;
      Tell(leg, LegNotice::Kind::kRefused, event.detail());
      if (event.another_may()) break;  // one that was open keeps its capture: its stall asks again
      if (leg.was_opened && !leg.spec.capture_id.empty()) {
        // Its capture is over, or its vault gone: the call stays masked, and nobody receives keys any more.
        leg.keyless = true;
        Tell(leg, LegNotice::Kind::kKeyLost, "no masker receives this capture's keys any more");
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
  overflow_.push_back({leg.spec.shard, type, leg.spec.leg, leg.wire, timestamp});
  PushOverflow();
}

void GrpcMaskerHop::PushOverflow() {
  while (!overflow_.empty()) {
    const Control& control = overflow_.front();
    HopLink& link = *shards_[control.shard].link;
    FromHop* slot = link.from_hop.Claim();
    if (slot == nullptr) return;
    slot->type = control.type;
    slot->leg = control.leg;
    slot->sequence = control.opening;
    slot->timestamp = control.timestamp;
    slot->size = 0;
    link.from_hop.Publish();
    to_wake_[control.shard] = true;
    overflow_.pop_front();
  }
}

void GrpcMaskerHop::Tell(const Leg& leg, LegNotice::Kind kind, const std::string& detail) {
  if (sink_) sink_({kind, leg.spec.leg, detail});
}

}  // namespace flattone::relay
