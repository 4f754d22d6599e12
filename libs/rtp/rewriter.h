// One direction's header rewriter: SSRC and timestamps stay, the sequence number is shifted by an offset that is
// zero until something is left out or put in, and RTCP tells the same story as the packets.
//
//   uint16_t out = rewriter.Forward(packet.sequence());   // what to write into the header
//   rewriter.LeaveOut(packet.sequence(), octets);         // not sent, and not to look lost: successors move up
//   rewriter.Lose(octets);                                // not sent, and its gap stays
//   uint16_t extra = rewriter.PutIn(octets);              // one packet more, behind the newest
//
// The last 32 changes are remembered, so that a receiver's report or NACK about a packet sent before a change
// is translated with the offset of that time. Owned by one thread; no allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "libs/rtp/rtcp.h"

namespace flattone::rtp {

class HeaderRewriter {
 public:
  // The number under which the packet leaves.
  uint16_t Forward(uint16_t ingress);
  // To be asked for each packet first: true when the sender has begun its numbers anew, two in a row far behind the newest
  // (RFC 3550 appendix A.1). Then Restart(), or what comes counts as late for up to half the number space.
  bool Restarts(uint16_t ingress);
  // This packet is the first of the new numbers; the offset stays.
  void Restart(uint16_t ingress);
  // The packet is dropped without a gap. A number older than the newest is only counted: its gap has been seen already.
  void LeaveOut(uint16_t ingress, size_t octets);
  // The packet is dropped, its gap stays.
  void Lose(size_t octets) { CountSent(-1, -static_cast<int64_t>(octets)); }
  // The payload that leaves is of another size.
  void Resize(size_t from, size_t to) { CountSent(0, static_cast<int64_t>(to) - static_cast<int64_t>(from)); }
  // A packet that had no ingress: the number behind the newest. Only after the first Forward().
  uint16_t PutIn(size_t octets);

  // The number that a receiver's `egress` had when it came in.
  uint16_t Ingress(uint16_t egress) const;
  // What to add to a sender report's counts.
  uint32_t packet_delta() const { return packet_delta_; }
  uint32_t octet_delta() const { return octet_delta_; }
  // True until the first change: RTCP can be forwarded as it is.
  bool identity() const { return identity_; }
  uint16_t offset() const { return offset_; }
  bool started() const { return started_; }
  uint16_t newest_ingress() const { return newest_ingress_; }

  // The stream has a new SSRC: numbers start afresh.
  void Reset() { *this = HeaderRewriter(); }

 private:
  struct Change {
    uint16_t first_ingress = 0;
    uint16_t first_egress = 0;
    uint16_t offset = 0;
  };
  static constexpr size_t kChanges = 32;

  void Shift(uint16_t first_ingress, int by);
  void CountSent(int packets, int64_t octets) {
    identity_ = false;
    packet_delta_ += static_cast<uint32_t>(packets);
    octet_delta_ += static_cast<uint32_t>(octets);
  }
  const Change& Newest(size_t age) const { return changes_[(changed_ - 1 - age) % kChanges]; }
  size_t Remembered() const { return changed_ - settled_ < kChanges ? changed_ - settled_ : kChanges; }

  bool started_ = false;
  bool behind_ = false;  // the last packet was far behind, `behind_next_` would follow it
  bool identity_ = true;
  uint16_t newest_ingress_ = 0;
  uint16_t behind_next_ = 0;
  uint16_t offset_ = 0;
  uint16_t before_ = 0;
  uint32_t packet_delta_ = 0;
  uint32_t octet_delta_ = 0;
  uint32_t changed_ = 0;  // changes ever made
  uint32_t settled_ = 0;  // of these, so old that no number in use lies before them
  std::array<Change, kChanges> changes_;
};

// Rewrites RTCP that one side sends: its sender counts follow `sent` (the rewriter of what this side sends), its
// report blocks, NACKs and extended reports about the other side follow `received`. While capturing, only SR, RR, SDES
// with nothing but CNAME, BYE without a reason, NACK and XR blocks 1 to 6 pass, without profile extensions or padding.
// Returns the size written, 0 when nothing is left to send. `out` must not overlap the input and be at least as large.
size_t RewriteRtcp(const RtcpCompound& in, const HeaderRewriter& sent, const HeaderRewriter& received, bool capturing,
                   std::span<uint8_t> out);

}  // namespace flattone::rtp
