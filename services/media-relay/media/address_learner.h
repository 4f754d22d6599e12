// Whose packets a leg accepts. First source wins is how a payment call is stolen by spraying a port range, so:
//  - the signalled address and port are accepted at once;
//  - behind NAT also a source within configured prefixes, after three packets with a negotiated payload type, one
//    SSRC and rising sequence numbers; once one is learned all others are dropped;
//  - afterwards only a new offer moves it, or a new port of the same address that carries SSRC and sequence on.
// RTCP learns apart. Pure; owned by the shard's thread.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "services/media-relay/media/endpoint.h"

namespace flattone::relay {

struct LearningRules {
  Endpoint signalled;
  Endpoint signalled_rtcp;
  bool behind_nat = false;
  std::vector<Prefix> prefixes;
};

class AddressLearner {
 public:
  // From an offer or answer. What was learned stays when the signalled address is the same, or is the zero
  // address of an old-style hold.
  void Signal(const LearningRules& rules);

  struct Arrival {
    Endpoint source;
    uint32_t ssrc = 0;
    uint16_t sequence = 0;
    bool negotiated = false;  // its payload type
  };
  // Whether the packet is from this leg's peer. Moves what is learned.
  bool AcceptRtp(const Arrival& arrival);
  // RTCP on its own port: the signalled one, or the peer's address with its SSRC.
  bool AcceptRtcp(const Endpoint& source, uint32_t sender_ssrc);

  // Where to send; Unspecified() while nothing is known or the leg is held the old way.
  const Endpoint& rtp() const { return rtp_; }
  const Endpoint& rtcp() const { return rtcp_; }
  bool learned() const { return learned_; }

 private:
  struct Candidate {
    Endpoint source;
    uint32_t ssrc = 0;
    uint16_t sequence = 0;
    int packets = 0;
  };
  bool Try(const Arrival& arrival);
  bool InPrefixes(const Endpoint& source) const;
  void Learn(const Arrival& arrival);

  LearningRules rules_;
  Endpoint rtp_;       // where to send
  Endpoint rtcp_;
  Endpoint source_;    // whom to accept, once learned
  Endpoint rtcp_source_;
  bool learned_ = false;
  bool rtcp_learned_ = false;
  uint32_t ssrc_ = 0;
  uint16_t sequence_ = 0;
  std::array<Candidate, 4> candidates_;
  size_t next_candidate_ = 0;
};

}  // namespace flattone::relay
