// A shard with arrays and a clock that moves when told: what tests of the packet core share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libs/rtp/packet.h"
#include "libs/rtp/rtcp.h"
#include "services/media-relay/media/shard.h"

namespace flattone::relay::testing {

struct Sent {
  PortId port = 0;
  Endpoint to;
  std::vector<uint8_t> bytes;
  rtp::PacketView Rtp() const { return *rtp::PacketView::Parse(bytes); }
};

constexpr int64_t kMs = 1'000'000;
constexpr uint8_t kVoice = 0x55;  // what the caller says: must never leave while secure

inline bool Has(const std::vector<Sent>& sent, uint8_t codeword) {
  return std::any_of(sent.begin(), sent.end(), [&](const Sent& s) {
    return std::count(s.bytes.begin() + 12, s.bytes.end(), codeword) > 4;
  });
}
inline Endpoint At(const std::string& address, uint16_t port) { return *Endpoint::From(address, port); }

class MediaRig {
 public:
  static constexpr uint32_t kSlot = 3;
  static constexpr PortId kCallerRtp = kSlot * 4, kCallerRtcp = kCallerRtp + 1, kAgentRtp = kSlot * 4 + 2, kAgentRtcp = kAgentRtp + 1;
  static constexpr uint32_t kLeg = 77, kOpening = 5;

  MediaRig()
      : meters(registry), link(256),
        shard({.slots = 8}, meters, [this](const Notice& notice) { notices.push_back(notice); }),
        out(64, [this](std::span<const Outgoing> items) {
          for (const Outgoing& item : items) sent.push_back({item.port, item.to, {item.bytes.begin(), item.bytes.end()}});
        }) {
    shard.Add(kSlot, now);
    Signal(Side::kCaller, caller, false);
    Signal(Side::kAgent, agent, false);
    PayloadMap map;
    map.kinds[0] = PayloadKind::kPcmu;
    map.kinds[8] = PayloadKind::kPcma;
    map.kinds[9] = PayloadKind::kOtherAudio;
    map.kinds[13] = PayloadKind::kComfortNoise;
    map.kinds[101] = PayloadKind::kEvent;
    map.kinds[121] = PayloadKind::kRedundancy;
    map.clock_rates.fill(8000);
    shard.SetPayloads(kSlot, Side::kCaller, map);
    shard.SetPayloads(kSlot, Side::kAgent, map);
    shard.SetAnswered(kSlot);
  }

  void Signal(Side side, const Endpoint& at, bool mux, bool nat = false) {
    LegConfig leg;
    leg.learning.signalled = at;
    leg.learning.signalled_rtcp = at;
    if (!mux && !at.Unspecified()) ++leg.learning.signalled_rtcp.port;
    leg.rtcp_mux = mux;
    leg.learning.behind_nat = nat;
    if (nat) leg.learning.prefixes.push_back(*Prefix::From("198.51.100.0/24"));
    shard.SetLeg(kSlot, side, leg);
  }

  struct Voice {
    uint16_t sequence = 1;
    uint8_t payload_type = 0;
    uint32_t ssrc = 0xcafe;
    bool marker = false;
    std::vector<uint8_t> payload = std::vector<uint8_t>(160, kVoice);
    uint32_t timestamp = 0;  // 0: sequence × 160
  };
  static std::vector<uint8_t> Packet(const Voice& voice) {
    std::vector<uint8_t> bytes(12 + voice.payload.size());
    rtp::WritePacket({.payload_type = voice.payload_type, .marker = voice.marker, .sequence = voice.sequence,
                      .timestamp = voice.timestamp == 0 ? voice.sequence * 160u : voice.timestamp, .ssrc = voice.ssrc},
                     voice.payload, bytes);
    return bytes;
  }
  void Push(PortId port, const Endpoint& source, std::vector<uint8_t> bytes) {
    shard.OnPacket(now, port, source, bytes, out);
    out.Flush();
    pushed = bytes;
  }
  void FromCaller(const Voice& voice) { Push(kCallerRtp, caller, Packet(voice)); }
  void FromAgent(const Voice& voice) { Push(kAgentRtp, agent, Packet(voice)); }

  // The caller reports these counts; what the agent is told of them.
  struct Reported {
    uint32_t packets = 0, octets = 0;
  };
  Reported ReportFromCaller(const Reported& own) {
    std::vector<uint8_t> report(28);
    rtp::WriteSenderReport({.ssrc = 0xcafe, .ntp = 1, .rtp_timestamp = 2, .packet_count = own.packets, .octet_count = own.octets}, {}, report);
    Out();
    Push(kCallerRtcp, At("192.0.2.10", 4001), report);
    const auto out = Out();
    const auto compound = rtp::RtcpCompound::Parse(out.at(0).bytes);
    const auto told = rtp::SenderReport::Of(*compound->begin());
    return {told->packet_count(), told->octet_count()};
  }
  // The hop takes nothing: the ring is full.
  void FillRing() {
    while (ToHop* record = link.to_hop.Claim()) {
      record->type = ToHop::Type::kFrame;
      record->leg = 0;
      record->size = 0;
      link.to_hop.Publish();
    }
  }

  void Tick(int64_t by_ns) {
    now += by_ns;
    shard.OnTimer(now, out);
    out.Flush();
  }

  // Secure mode, opened by the masker.
  void Secure(bool opened = true, SecureLimits limits = {}) {
    const SecurePath::Config config{.leg = kLeg, .law = dsp::Law::kMu, .payload_type = 0, .samples = 160,
                                    .tone = std::make_shared<const ComfortTone>(425, -16.0), .limits = limits};
    shard.Secure(kSlot, std::make_unique<SecurePath>(config, now, link.to_hop), now, out);
    out.Flush();
    if (opened) Tell(FromHop::Type::kOpened);
  }
  void Tell(FromHop::Type type) {
    FromHop record;
    record.type = type;
    record.leg = kLeg;
    record.sequence = kOpening;
    shard.OnAnswer(now, record, out);
    out.Flush();
  }
  // The masker's answer: `fill` in place of the frame.
  void Masked(uint32_t sequence, uint8_t fill, size_t size = 160, uint32_t timestamp = 0, bool altered = true,
              uint32_t tone_left = 0) {
    FromHop record;
    record.type = FromHop::Type::kMasked;
    record.leg = kLeg;
    record.sequence = sequence;
    record.timestamp = timestamp == 0 ? sequence * 160u : timestamp;
    record.altered = altered;
    record.tone_left = tone_left;
    record.size = static_cast<uint16_t>(size);
    std::memset(record.payload.data(), fill, size);
    shard.OnAnswer(now, record, out);
    out.Flush();
  }
  // `from` to `to`, each answered at once.
  void SpeakUnaltered(uint16_t from, uint16_t to) {
    for (uint16_t n = from; n <= to; ++n) {
      FromCaller({.sequence = n});
      Masked(n, 0x11, 160, 0, false);
    }
  }
  // What the shard has given to the hop since the last call.
  std::vector<ToHop> Taken() {
    std::vector<ToHop> records;
    while (ToHop* record = link.to_hop.Front()) {
      records.push_back(*record);
      link.to_hop.Release();
    }
    return records;
  }
  std::vector<Sent> Out() { return std::exchange(sent, {}); }
  CallSnapshot Counts() {
    CallSnapshot snapshot;
    shard.Snapshot(kSlot, snapshot);
    return snapshot;
  }

  obs::Registry registry;
  MediaMeters meters;
  HopLink link;
  int64_t now = 1'000'000'000;
  std::vector<Notice> notices;
  std::vector<Sent> sent;
  std::vector<uint8_t> pushed;  // the receive buffer after the shard has seen it
  Endpoint caller = At("192.0.2.10", 4000);
  Endpoint agent = At("192.0.2.20", 5000);
  Shard shard;
  Outbox out;
};

}  // namespace flattone::relay::testing
