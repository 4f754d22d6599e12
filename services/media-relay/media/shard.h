// The packet core of one thread: (now, input) → datagrams in the caller's outbox. No socket, clock, lock or allocation
// per packet; calls are added and changed between packets by the same thread.
//
//   Shard shard(options, meters, notices);
//   shard.Add(slot, now);  shard.SetLeg(slot, Side::kCaller, leg);  shard.SetPayloads(...);
//   shard.OnPacket(now, port, source, bytes, outbox);   // from a socket
//   shard.OnAnswer(now, record, outbox);                // from the hop
//   shard.OnTimer(now, outbox);                         // not later than NextDeadline()
//
// A port's id is slot × 4 + side × 2 + (1 for RTCP).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/media-relay/media/call.h"
#include "services/media-relay/media/hop_link.h"
#include "services/media-relay/media/meters.h"
#include "services/media-relay/media/outbox.h"

namespace flattone::relay {

struct ShardOptions {
  uint32_t slots = 4096;                        // calls at most
  int64_t idle_ns = 60'000'000'000;             // no packet from either side
  int64_t held_idle_ns = 1'800'000'000'000;     // while a side is on hold
  int64_t setup_ns = 300'000'000'000;           // not answered
  int64_t scan_ns = 20'000'000;                 // how often secure paths are looked at
  int64_t source_silence_ns = 200'000'000;      // of a side's SSRC, before another may take its place
  int64_t codec_notice_ns = 1'000'000'000;      // between two notices of a changed codec
};

// What happened to a call by itself; given on the shard's thread, to be handed on quickly.
struct Notice {
  enum class Kind : uint8_t { kPlain, kCodecChanged, kIdle };
  Kind kind = Kind::kPlain;
  uint32_t slot = 0;
  uint32_t leg = 0;
};
using NoticeSink = std::function<void(const Notice&)>;

class Shard {
 public:
  Shard(const ShardOptions& options, MediaMeters& meters, NoticeSink notices);

  // False when the slot is taken or out of range.
  bool Add(uint32_t slot, int64_t now);
  void SetLeg(uint32_t slot, Side side, const LegConfig& config);
  void SetPayloads(uint32_t slot, Side sender, const PayloadMap& payloads);
  void SetAnswered(uint32_t slot);
  // Takes the call out; false when there is none.
  bool Remove(uint32_t slot, Outbox& out);
  bool Snapshot(uint32_t slot, CallSnapshot& snapshot) const;

  // Turns the caller→agent direction secure, on the spot. The path was made by the caller, so nothing can fail.
  // Replaces a path that is there: what waits in it leaves as comfort tone.
  void Secure(uint32_t slot, std::unique_ptr<SecurePath> path, int64_t now, Outbox& out);
  // Back to plain at once, for a start that was refused. Only for the path of this leg.
  void Unsecure(uint32_t slot, uint32_t leg, int64_t now, Outbox& out);
  void AskStop(uint32_t slot);

  // `bytes` may be changed, and are wiped before return when the call is secure.
  void OnPacket(int64_t now, PortId port, const Endpoint& source, std::span<uint8_t> bytes, Outbox& out);
  void OnAnswer(int64_t now, FromHop& record, Outbox& out);
  void OnTimer(int64_t now, Outbox& out);
  // When OnTimer wants to run next.
  int64_t NextDeadline() const;

  size_t calls() const { return calls_in_use_; }
  size_t secure_calls() const { return by_leg_.size(); }

 private:
  struct Ring {  // of due frames, in the order of arrival
    std::vector<SecurePath::Due> items;
    size_t first = 0, size = 0;
  };
  MediaCall* Find(uint32_t slot) const { return slot < calls_.size() ? calls_[slot].get() : nullptr; }
  Way WayFrom(int64_t now, uint32_t slot, MediaCall& call, Side sender, Outbox& out);
  void OnRtp(int64_t now, PortId port, MediaCall& call, const Endpoint& source, std::span<uint8_t> bytes, Outbox& out);
  void OnRtcp(int64_t now, PortId port, MediaCall& call, const Endpoint& source, std::span<const uint8_t> bytes, Outbox& out);
  void PassStray(const Way& way, const MediaCall& call, Side sender, PayloadKind kind, std::span<uint8_t> bytes);
  void Forward(const Way& way, uint16_t sequence, std::span<uint8_t> bytes);
  void Send(const Way& way, std::span<const uint8_t> bytes);
  void TakeSource(int64_t now, uint32_t slot, MediaCall& call, Side sender, const rtp::PacketView& packet, Outbox& out);
  void TakeRestart(const Way& way, MediaCall& call, Side sender, uint16_t sequence);
  void TakeResult(uint32_t slot, MediaCall& call, const SecurePath::Result& result, const Way& way);
  void TellCodec(int64_t now, uint32_t slot, MediaCall& call);
  void OpenIfQuiet(uint32_t slot, MediaCall& call, const Way& way);
  void RunDues(int64_t now, Outbox& out);
  void ScanSecure(int64_t now, Outbox& out);
  void ScanIdle(int64_t now);

  const ShardOptions options_;
  MediaMeters& meters_;
  NoticeSink notices_;
  std::vector<std::unique_ptr<MediaCall>> calls_;
  size_t calls_in_use_ = 0;
  absl::flat_hash_map<uint32_t, uint32_t> by_leg_;  // leg → slot
  Ring dues_;
  int64_t next_scan_ = 0;
  int64_t next_idle_scan_ = 0;
};

}  // namespace flattone::relay
