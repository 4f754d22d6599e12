#include "services/media-relay/call/call_table.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/error.h"

namespace flattone::relay {
namespace {

constexpr size_t kMaxReference = 255;

absl::Status CheckNames(const std::string& tenant, const std::string& reference) {
  if (tenant.empty() || tenant.size() > kMaxReference) {
    return InvalidField("tenant_id", absl::StrCat("has ", tenant.size(), " bytes"), "1 to 255 bytes");
  }
  if (reference.empty() || reference.size() > kMaxReference) {
    return InvalidField("call_reference", absl::StrCat("has ", reference.size(), " bytes"), "1 to 255 bytes");
  }
  return absl::OkStatus();
}

uint64_t SlotKey(uint32_t shard, uint32_t slot) { return uint64_t{shard} << 32 | slot; }

sdp::Local LocalOf(const PortPair& ports, bool mux) {
  const Endpoint& local = ports.local();
  return {.address = local.Address(), .ipv6 = local.ipv6, .rtp_port = local.port,
          .rtcp_port = static_cast<uint16_t>(local.port + 1), .rtcp_mux = mux};
}

}  // namespace

CallMeters::CallMeters(obs::Registry& r)
    : started(r, "flattone_relay_started_calls_total", "Calls begun"),
      ended(r, "flattone_relay_ended_calls_total", "Calls ended, for whatever reason"),
      idle(r, "flattone_relay_idle_calls_total", "Calls ended because no packet came"),
      captures(r, "flattone_relay_captures_total", "Captures that a masker has opened"),
      protections(r, "flattone_relay_protections_total", "Calls protected by an edge, without a capture"),
      start_failed(r, "flattone_relay_failed_starts_total", "Captures that no masker opened"),
      refused_draining(r, "flattone_relay_refused_calls_total", "New calls refused, by reason", {{"reason", "draining"}}),
      refused_capacity(r, "flattone_relay_refused_calls_total", "New calls refused, by reason", {{"reason", "capacity"}}),
      malformed_sdp(r, "flattone_relay_malformed_sdp_total", "Offers and answers refused: SDP or learning rules that cannot be used"),
      calls(r, "flattone_relay_calls", "Calls now"),
      secure_calls(r, "flattone_relay_secure_calls", "Calls now secure, starting or stopping") {}

CallTable::CallTable(const CallTableOptions& options, std::vector<ShardLoop*> shards, std::vector<HopLink*> links,
                     PortBlock& ports, MaskerHop& hop, EdgeDirectory& edges, CallEventSink events, const Clock& clock,
                     Random& random, CallMeters& meters, obs::Logger& log)
    : options_(options), shards_(std::move(shards)), links_(std::move(links)), ports_(ports), hop_(hop), edges_(edges),
      events_(std::move(events)), clock_(clock), random_(random), meters_(meters), log_(log), free_slots_(shards_.size()),
      worker_([this] { Tick(); }) {
  for (std::vector<uint32_t>& free : free_slots_) {
    for (uint32_t slot = options_.slots; slot > 0; --slot) free.push_back(slot - 1);
  }
}

CallTable::~CallTable() { worker_.Stop(); }

absl::Status CallTable::NotFound() {
  return Refusal(absl::StatusCode::kNotFound, {.code = "call_not_found", .field = {}, .limit = {}, .fix = {}},
                 "this relay has no such call of this tenant");
}

absl::StatusOr<CallTable::Described> CallTable::Read(const SdpRequest& request) {
  auto description = sdp::Description::Parse(request.sdp);
  auto config = description.ok() ? MakeLeg(description->audio(), request.learning) : description.status();
  if (config.ok()) return Described{*std::move(description), *std::move(config)};
  meters_.malformed_sdp.Add();
  return config.status();
}

CallTable::Call* CallTable::FindByReference(const std::string& tenant, const std::string& reference) {
  const auto found = by_reference_.find({tenant, reference});
  return found == by_reference_.end() ? nullptr : found->second;
}

CallTable::Call* CallTable::FindById(const std::string& tenant, const std::string& id) {
  const auto found = calls_.find(id);
  return found == calls_.end() || found->second->tenant != tenant ? nullptr : found->second.get();
}

CallTable::Call* CallTable::FindByLeg(uint32_t leg) {
  const auto found = by_leg_.find(leg);
  return found == by_leg_.end() ? nullptr : found->second;
}

absl::StatusOr<CallTable::Call*> CallTable::FindForEdge(const std::string& edge, const std::string& tenant,
                                                        const std::string& reference) {
  if (auto status = CheckNames(tenant, reference); !status.ok()) return status;
  if (auto side = edges_.Check(edge, tenant); !side.ok()) return side.status();
  Call* call = FindByReference(tenant, reference);
  if (call == nullptr || call->edge != edge) return NotFound();
  return call;
}

// The shard with the fewest calls.
std::optional<std::pair<uint32_t, uint32_t>> CallTable::TakeSlot() {
  size_t best = 0;
  for (size_t i = 1; i < free_slots_.size(); ++i) {
    if (free_slots_[i].size() > free_slots_[best].size()) best = i;
  }
  if (free_slots_[best].empty()) return std::nullopt;
  const uint32_t slot = free_slots_[best].back();
  free_slots_[best].pop_back();
  return std::pair{static_cast<uint32_t>(best), slot};
}

absl::StatusOr<CallTable::Call*> CallTable::NewCall(const SdpRequest& request, bool ipv6) {
  if (draining_) {
    meters_.refused_draining.Add();
    return Refusal(absl::StatusCode::kUnavailable, {.code = "relay_draining", .field = {}, .limit = {}, .fix = "use another relay"},
                   "this relay takes no new calls");
  }
  auto call = std::make_unique<Call>();
  for (Leg& leg : call->legs) {
    auto ports = ports_.Open(ipv6);
    if (!ports.ok()) {
      meters_.refused_capacity.Add();
      for (Leg& opened : call->legs) ports_.Release(std::move(opened.ports));
      return ports.status();
    }
    leg.ports = *std::move(ports);
  }
  const auto place = TakeSlot();
  if (!place) {
    meters_.refused_capacity.Add();
    for (Leg& leg : call->legs) ports_.Release(std::move(leg.ports));
    return Refusal(absl::StatusCode::kResourceExhausted,
                   {.code = "relay_full", .field = {}, .limit = absl::StrCat(capacity(), " calls"), .fix = "use another relay"},
                   "this relay has as many calls as it may");
  }
  call->id = RandomId(random_, "call");
  call->tenant = request.tenant_id;
  call->reference = request.call_reference;
  call->edge = request.edge_id;
  call->trace = request.trace;
  std::tie(call->shard, call->slot) = *place;
  call->created = clock_.MonotonicNanos();
  call->created_ms = absl::ToUnixMillis(clock_.Now());
  Call* raw = call.get();
  shards_[raw->shard]->Run([raw](ShardLoop::Context& context) {
    context.shard.Add(raw->slot, context.now);
    for (const Side side : {Side::kCaller, Side::kAgent}) context.loop.Watch(raw->slot, side, raw->legs[Index(side)].ports);
  });
  by_reference_[{raw->tenant, raw->reference}] = raw;
  by_slot_[SlotKey(raw->shard, raw->slot)] = raw;
  calls_[raw->id] = std::move(call);
  meters_.started.Add();
  meters_.calls.Set(static_cast<double>(calls_.size()));
  return raw;
}

// An offer may change between IPv4 and IPv6: the ports that the leg then gets; none are open where it keeps its own.
absl::StatusOr<PortPair> CallTable::PortsOfOtherFamily(const Call& call, Side side, const sdp::Audio& audio) {
  if (audio.port == 0 || call.legs[Index(side)].ports.local().ipv6 == audio.ipv6) return PortPair();
  return ports_.Open(audio.ipv6);
}

void CallTable::MoveTo(Call& call, Side side, PortPair ports) {
  if (!ports.open()) return;
  shards_[call.shard]->Run([&](ShardLoop::Context& context) {
    context.loop.Unwatch(call.slot, side);
    context.loop.Watch(call.slot, side, ports);
  });
  ports_.Release(std::exchange(call.legs[Index(side)].ports, std::move(ports)));
}

// An offer that is not answered changes nothing: the call goes on where it was.
void CallTable::DropOffer(Call& call) {
  if (call.offered) ports_.Release(std::move(call.offered->ports));
  call.offered.reset();
}

absl::StatusOr<SdpReply> CallTable::Offer(const SdpRequest& request) {
  if (auto status = CheckNames(request.tenant_id, request.call_reference); !status.ok()) return status;
  const auto usual_side = edges_.Check(request.edge_id, request.tenant_id);
  if (!usual_side.ok()) return usual_side.status();
  auto described = Read(request);
  if (!described.ok()) return described.status();
  auto& [description, config] = *described;
  const sdp::Audio& audio = description.audio();

  const std::lock_guard lock(mutex_);
  Call* call = FindByReference(request.tenant_id, request.call_reference);
  if (call != nullptr && call->edge != request.edge_id) return NotFound();
  if (call != nullptr && !request.from && call->answered) {
    return InvalidField("from", "is not set", "SIDE_CALLER or SIDE_AGENT in a re-offer");
  }
  const bool first = call == nullptr;
  if (first) {
    auto made = NewCall(request, audio.ipv6);
    if (!made.ok()) return made.status();
    call = *made;
  }
  const Side from = request.from.value_or(*usual_side);
  DropOffer(*call);
  auto ports = PortsOfOtherFamily(*call, from, audio);
  if (!ports.ok()) return ports.status();
  call->legs[Index(from)].offered_mux = audio.rtcp_mux;
  call->offered = Call::Offered{from, audio, config, *std::move(ports)};
  if (!call->answered) {
    MoveTo(*call, from, std::move(call->offered->ports));
    // Sound for the one who offers may come with the answer's first packets.
    const LegConfig& leg = config;
    shards_[call->shard]->Run([&](ShardLoop::Context& context) { context.shard.SetLeg(call->slot, from, leg); });
  }
  const SdpReply reply{call->id, description.Rewrite(LocalOf(call->legs[Index(Other(from))].ports, audio.rtcp_mux))};
  if (first) {
    log_.Info(call->trace, "call started", {{"call", call->id}, {"tenant", call->tenant}, {"edge", call->edge}});
    Tell(*call, CallEvent::Kind::kStarted);
  }
  return reply;
}

absl::StatusOr<SdpReply> CallTable::Answer(const SdpRequest& request) {
  auto described = Read(request);
  if (!described.ok()) return described.status();
  auto& [description, config] = *described;
  const sdp::Audio& audio = description.audio();

  const std::lock_guard lock(mutex_);
  auto found = FindForEdge(request.edge_id, request.tenant_id, request.call_reference);
  if (!found.ok()) return found.status();
  Call& call = **found;
  if (!call.offered) {
    return Refusal(absl::StatusCode::kFailedPrecondition,
                   {.code = "no_open_offer", .field = "sdp", .limit = {}, .fix = "send an offer first"}, "no offer is open in this call");
  }
  const Side from = request.from.value_or(Other(call.offered->from));
  if (from == call.offered->from) {
    return InvalidField("from", "is the side that made the offer", "the other side");
  }
  if (audio.port != 0 && audio.ipv6 != call.legs[Index(from)].ports.local().ipv6) {
    return InvalidField("sdp c=", audio.ipv6 ? "is IP6" : "is IP4", "of the family that was offered to this side");
  }
  config.rtcp_mux = audio.rtcp_mux && call.offered->audio.rtcp_mux;
  ApplyAnswer(call, from, audio, config);
  const Side to = Other(from);
  return SdpReply{call.id, description.Rewrite(LocalOf(call.legs[Index(to)].ports, call.legs[Index(to)].offered_mux))};
}

void CallTable::ApplyAnswer(Call& call, Side answerer, const sdp::Audio& audio, const LegConfig& config) {
  const Side offerer = Other(answerer);
  Call::Offered offered = *std::move(call.offered);
  call.offered.reset();
  MoveTo(call, offerer, std::move(offered.ports));
  call.answered = true;
  call.legs[Index(offerer)].audio = offered.audio;
  call.legs[Index(answerer)].audio = audio;
  const PayloadMap from_offerer = MapPayloads(offered.audio, audio);
  const PayloadMap from_answerer = MapPayloads(audio, offered.audio);
  shards_[call.shard]->Run([&](ShardLoop::Context& context) {
    context.shard.SetLeg(call.slot, offerer, offered.config);
    context.shard.SetLeg(call.slot, answerer, config);
    context.shard.SetPayloads(call.slot, offerer, from_offerer);
    context.shard.SetPayloads(call.slot, answerer, from_answerer);
    context.shard.SetAnswered(call.slot);
  });
}

CallView CallTable::ViewOf(Call& call) {
  CallView view{.call_id = call.id, .tenant_id = call.tenant, .call_reference = call.reference, .edge_id = call.edge,
                .capture_id = call.secure ? call.secure->capture_id : "", .mode = SecureMode::kPlain, .legs = {},
                .created_ms = call.created_ms, .duration_ms = (clock_.MonotonicNanos() - call.created) / 1'000'000,
                .captures = call.captures, .media = {}};
  shards_[call.shard]->Run([&](ShardLoop::Context& context) { context.shard.Snapshot(call.slot, view.media); });
  if (call.secure) {
    view.mode = call.secure->stopping ? SecureMode::kStopping : call.secure->opened ? SecureMode::kSecure : SecureMode::kStarting;
  }
  for (size_t i = 0; i < 2; ++i) {
    const std::optional<sdp::Audio>& audio = call.legs[i].audio;
    view.legs[i].local = call.legs[i].ports.local();
    view.legs[i].remote = view.media.remotes[i];
    if (!audio) continue;
    view.legs[i].ptime_ms = audio->ptime_ms;
    if (const sdp::Codec* codec = audio->MainCodec()) view.legs[i].codec = codec->Name();
  }
  return view;
}

absl::StatusOr<CallView> CallTable::Delete(const std::string& edge, const std::string& tenant, const std::string& reference) {
  const std::lock_guard lock(mutex_);
  auto call = FindForEdge(edge, tenant, reference);
  if (!call.ok()) return call.status();
  return End(**call, "hang-up");
}

absl::StatusOr<CallView> CallTable::Query(const std::string& edge, const std::string& tenant, const std::string& reference) {
  const std::lock_guard lock(mutex_);
  auto call = FindForEdge(edge, tenant, reference);
  if (!call.ok()) return call.status();
  return ViewOf(**call);
}

absl::StatusOr<CallView> CallTable::Find(const std::string& tenant, const std::string& reference) {
  if (auto status = CheckNames(tenant, reference); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  Call* call = FindByReference(tenant, reference);
  if (call == nullptr) return NotFound();
  return ViewOf(*call);
}

absl::StatusOr<CallView> CallTable::Get(const std::string& tenant, const std::string& id) {
  const std::lock_guard lock(mutex_);
  Call* call = FindById(tenant, id);
  if (call == nullptr) return NotFound();
  return ViewOf(*call);
}

absl::StatusOr<CallView> CallTable::End(Call& call, const std::string& why) {
  CallView view = ViewOf(call);
  if (call.secure) {
    hop_.Close(call.secure->leg);
    by_leg_.erase(call.secure->leg);
    for (SecureDone& done : call.secure->waiting) {
      worker_.Post([done = std::move(done)] { done(NotFound()); });
    }
  }
  shards_[call.shard]->Run([&](ShardLoop::Context& context) {
    for (const Side side : {Side::kCaller, Side::kAgent}) context.loop.Unwatch(call.slot, side);
    context.shard.Remove(call.slot, context.out);
  });
  DropOffer(call);
  for (Leg& leg : call.legs) ports_.Release(std::move(leg.ports));
  free_slots_[call.shard].push_back(call.slot);
  log_.Info(call.trace, "call ended", {{"call", call.id}, {"why", why}});
  events_({CallEvent::Kind::kEnded, view, why, absl::ToUnixMillis(clock_.Now())});
  by_reference_.erase({call.tenant, call.reference});
  by_slot_.erase(SlotKey(call.shard, call.slot));
  const std::string id = call.id;
  calls_.erase(id);
  meters_.ended.Add();
  meters_.calls.Set(static_cast<double>(calls_.size()));
  meters_.secure_calls.Set(static_cast<double>(by_leg_.size()));
  return view;
}

void CallTable::Tell(Call& call, CallEvent::Kind kind, const std::string& detail) {
  events_({kind, ViewOf(call), detail, absl::ToUnixMillis(clock_.Now())});
}

void CallTable::TellPlain(Call& call, const std::string& capture_id) {
  CallEvent event{CallEvent::Kind::kProtection, ViewOf(call), {}, absl::ToUnixMillis(clock_.Now())};
  event.call.capture_id = capture_id;
  events_(std::move(event));
}

void CallTable::SetDraining(bool draining) {
  const std::lock_guard lock(mutex_);
  draining_ = draining;
}

size_t CallTable::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_.size();
}

size_t CallTable::secure_calls() const {
  const std::lock_guard lock(mutex_);
  return by_leg_.size();
}

void CallTable::EndAll(const std::string& why) {
  const std::lock_guard lock(mutex_);
  while (!calls_.empty()) static_cast<void>(End(*calls_.begin()->second, why));
}

}  // namespace flattone::relay
