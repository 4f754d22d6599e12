// Calls over real sockets on loopback, with maskers that do as they are told: what tests of calls and hop share.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "services/media-relay/call/call_table.h"
#include "services/media-relay/call_ends.h"
#include "services/media-relay/hop/hop.h"

namespace flattone::relay::testing {

inline uint16_t PortOf(const std::string& sdp) { return sdp::Description::Parse(sdp)->audio().port; }

class CallRig {
 public:
  explicit CallRig(SecureLimits limits = {})
      : media(registry), io(registry), call_meters(registry), hop_meters(registry),
        log({.service = "media-relay", .level = obs::Level::kInfo, .file = {}, .burst = 20, .period = absl::Seconds(10)},
            SystemClock(), registry, [](std::string_view) {}),
        link(1024), first(0x11), second(0x22) {
    edges.Replace(1, {{"one", {"ten_a", "ten_b"}, Side::kCaller}, {"two", {"ten_a"}, Side::kAgent}});
    ports = *PortBlock::Create({.ipv4 = "127.0.0.1", .ipv6 = {}, .first = 20000, .last = 29999}, SystemRandom());
    loop = *ShardLoop::Create({.slots = 8}, media, io, link, [this](const Notice& n) { calls->OnNotice(0, n); }, SystemClock());
    hop = std::make_unique<GrpcMaskerHop>(
        std::vector<GrpcMaskerHop::Masker>{{"first", first.Channel()}, {"second", second.Channel()}}, SystemClock(), hop_meters, log);
    hop->SetShards({{&link, [this] { loop->Wake(); }}});
    hop->SetSink([this](LegNotice notice) { calls->OnLegNotice(std::move(notice)); });
    CallTableOptions options;
    options.slots = 8;
    options.limits = limits;
    options.start_limit_ns = 1'000'000'000;
    calls = std::make_unique<CallTable>(options, std::vector<ShardLoop*>{loop.get()}, std::vector<HopLink*>{&link}, *ports, *hop,
                                        edges, [this](CallEvent event) { Note(event); }, SystemClock(), SystemRandom(), call_meters, log);
    loop->Start();
    hop->Start();
  }
  ~CallRig() {
    hop->Stop();
    calls->EndAll("test over");
    loop->Stop();
  }

  // Waits until it holds, at most five seconds.
  template <typename Condition>
  bool Until(Condition condition) {
    std::unique_lock lock(mutex);
    for (int i = 0; i < 500; ++i) {
      lock.unlock();
      if (condition()) return true;
      lock.lock();
      changed.wait_for(lock, std::chrono::milliseconds(10));
    }
    return false;
  }
  bool MaskersReady(int count = 2) {
    return Until([&] { return registry.Value("flattone_relay_hop_streams") >= count; });
  }
  int64_t Count(CallEvent::Kind kind) {
    const std::lock_guard lock(mutex);
    return std::count_if(events.begin(), events.end(), [&](const CallEvent& event) { return event.kind == kind; });
  }
  bool Told(CallEvent::Kind kind) {
    return Until([&] { return Count(kind) != 0; });
  }

  // A call between the two phones; the ports that each is to send to.
  void Connect(const std::string& tenant = "ten_a", const std::string& formats = "0 8 101") {
    const auto offer = calls->Offer(Request(tenant, caller.Sdp(formats), Side::kCaller));
    to_agent_sdp = offer->sdp;
    call_id = offer->call_id;
    const auto answer = calls->Answer(Request(tenant, agent.Sdp(formats), Side::kAgent));
    agent_port = PortOf(offer->sdp);
    caller_port = PortOf(answer->sdp);
  }
  SdpRequest Request(const std::string& tenant, const std::string& sdp, std::optional<Side> from, const std::string& edge = "one") {
    SdpRequest request;
    request.edge_id = edge;
    request.tenant_id = tenant;
    request.call_reference = "ref-1";
    request.from = from;
    request.sdp = sdp;
    return request;
  }
  absl::StatusOr<SecureReply> Start(const std::string& capture, const std::string& tenant = "ten_a") {
    std::promise<absl::StatusOr<SecureReply>> promise;
    auto future = promise.get_future();
    SecureRequest request;
    request.tenant_id = tenant;
    request.call_id = call_id;
    request.capture_id = capture;
    request.vault_address = "127.0.0.1:1";
    calls->StartSecure(request, [&](absl::StatusOr<SecureReply> reply) { promise.set_value(std::move(reply)); });
    return future.get();
  }
  // The caller says a packet, the agent hears.
  int Say(uint16_t sequence, uint8_t fill = 0x55) {
    caller.SendTo(caller_port, sequence, fill);
    return agent.Hear();
  }
  static bool IsMasked(int heard) { return heard == 0x11 || heard == 0x22; }
  FakeMasker& MaskerOf(int heard) { return heard == 0x11 ? first : second; }
  FakeMasker& Other(const FakeMasker& masker) { return &masker == &first ? second : first; }
  // The caller speaks at the pace of 20 ms packets until the agent hears the other masker; never his own voice.
  bool MovesFrom(int heard, uint16_t sequence = 2) {
    for (uint16_t n = sequence; n < sequence + 100; ++n) {
      const int now = Say(n);
      if (now == 0x33 - heard) return true;
      if (now == 0x55 || now == -1) return false;
      caller.Hear(20);  // nobody speaks to the caller: it waits
    }
    return false;
  }
  SecureMode Mode() { return calls->Get("ten_a", call_id)->mode; }

  void Note(CallEvent event) {
    const std::lock_guard lock(mutex);
    events.push_back(std::move(event));
    changed.notify_all();
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<CallEvent> events;
  obs::Registry registry;
  MediaMeters media;
  IoMeters io;
  CallMeters call_meters;
  HopMeters hop_meters;
  obs::Logger log;
  HopLink link;
  EdgeDirectory edges;
  FakeMasker first, second;
  std::unique_ptr<PortBlock> ports;
  std::unique_ptr<ShardLoop> loop;
  std::unique_ptr<GrpcMaskerHop> hop;
  std::unique_ptr<CallTable> calls;
  Phone caller, agent;
  std::string to_agent_sdp, call_id;
  uint16_t caller_port = 0, agent_port = 0;
};

}  // namespace flattone::relay::testing
