// The hot loop: what the core spends on one packet, without sockets.
#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>
#include <vector>

#include "libs/rtp/packet.h"
#include "services/media-relay/media/shard.h"

namespace flattone::relay {
namespace {

struct Rig {
  Rig() : meters(registry), link(4096), shard({.slots = 1024}, meters, [](const Notice&) {}),
          out(256, [this](std::span<const Outgoing> items) { sent += items.size(); }) {
    PayloadMap map;
    map.kinds[0] = PayloadKind::kPcmu;
    map.clock_rates.fill(8000);
    for (uint32_t slot = 0; slot < 1000; ++slot) {
      shard.Add(slot, 0);
      for (const Side side : {Side::kCaller, Side::kAgent}) {
        LegConfig leg;
        leg.learning.signalled = source;
        leg.learning.signalled_rtcp = source;
        shard.SetLeg(slot, side, leg);
        shard.SetPayloads(slot, side, map);
      }
      shard.SetAnswered(slot);
    }
    packet.resize(172, 0x55);
  }
  void Push(uint32_t slot, uint16_t sequence, int64_t now) {
    rtp::WriteHeader({.payload_type = 0, .marker = false, .sequence = sequence, .timestamp = sequence * 160u, .ssrc = 7}, packet);
    shard.OnPacket(now, slot * 4, source, packet, out);
  }
  obs::Registry registry;
  MediaMeters meters;
  HopLink link;
  uint64_t sent = 0;
  Endpoint source = *Endpoint::From("192.0.2.1", 4000);
  std::vector<uint8_t> packet;
  Shard shard;
  Outbox out;
};

// 1,000 calls in turn, as they come off the wire.
void ForwardPlain(benchmark::State& state) {
  Rig rig;
  uint32_t i = 0;
  for (auto _ : state) {
    rig.Push(i % 1000, static_cast<uint16_t>(i / 1000), static_cast<int64_t>(i) * 20'000);
    ++i;
  }
  rig.out.Flush();
  state.SetItemsProcessed(static_cast<int64_t>(rig.sent));
}
BENCHMARK(ForwardPlain);

// A frame to the hop and its answer back out, with the masker's own work left out.
void ForwardSecure(benchmark::State& state) {
  Rig rig;
  const auto tone = std::make_shared<const ComfortTone>(425, -16.0);
  for (uint32_t slot = 0; slot < 1000; ++slot) {
    const SecurePath::Config config{.leg = slot + 1, .law = dsp::Law::kMu, .payload_type = 0, .samples = 160, .tone = tone, .limits = {}};
    rig.shard.Secure(slot, std::make_unique<SecurePath>(config, 0, rig.link.to_hop), 0, rig.out);
    FromHop opened;
    opened.type = FromHop::Type::kOpened;
    opened.leg = slot + 1;
    rig.shard.OnAnswer(0, opened, rig.out);
  }
  auto answer = std::make_unique<FromHop>();
  uint32_t i = 0;
  for (auto _ : state) {
    const int64_t now = static_cast<int64_t>(i) * 20'000;
    rig.packet.assign(172, 0x55);
    rig.Push(i % 1000, static_cast<uint16_t>(i / 1000), now);
    while (ToHop* record = rig.link.to_hop.Front()) {
      answer->type = FromHop::Type::kMasked;
      answer->leg = record->leg;
      answer->sequence = record->sequence;
      answer->timestamp = record->timestamp;
      answer->size = record->size;
      std::memcpy(answer->payload.data(), record->payload.data(), record->size);
      record->Wipe();
      rig.link.to_hop.Release();
      rig.shard.OnAnswer(now, *answer, rig.out);
    }
    rig.shard.OnTimer(now, rig.out);
    ++i;
  }
  rig.out.Flush();
  state.SetItemsProcessed(static_cast<int64_t>(rig.sent));
}
BENCHMARK(ForwardSecure);

}  // namespace
}  // namespace flattone::relay

BENCHMARK_MAIN();
