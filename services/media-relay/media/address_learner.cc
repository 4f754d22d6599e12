#include "services/media-relay/media/address_learner.h"

#include "libs/rtp/sequence.h"

namespace flattone::relay {
namespace {
constexpr int kProof = 3;            // good packets before a source behind NAT is believed
constexpr int16_t kCarriesOn = 250;  // 5 s of 20 ms packets: how far a sequence may be ahead after a move
}  // namespace

void AddressLearner::Signal(const LearningRules& rules) {
  const bool null_hold = rules.signalled.Unspecified() && learned_;
  const bool same = rules.signalled == rules_.signalled && rules.behind_nat == rules_.behind_nat;
  if (null_hold) {
    rtp_ = rtcp_ = Endpoint{};
    rules_.signalled = rules.signalled;
    return;
  }
  const bool resumed = rules_.signalled.Unspecified() && learned_ && rules.signalled == source_;
  if (rules.signalled_rtcp != rules_.signalled_rtcp) rtcp_learned_ = false;  // a new offer moves it by itself too
  rules_ = rules;
  if (same || resumed) {
    rtp_ = learned_ ? source_ : rules.signalled;
    rtcp_ = rtcp_learned_ ? rtcp_source_ : rules.signalled_rtcp;
    return;
  }
  learned_ = rtcp_learned_ = false;
  candidates_ = {};
  rtp_ = rules.signalled;
  rtcp_ = rules.signalled_rtcp;
}

bool AddressLearner::AcceptRtp(const Arrival& arrival) {
  if (learned_) {
    if (arrival.source == source_) {
      if (arrival.negotiated) {
        ssrc_ = arrival.ssrc;
        sequence_ = arrival.sequence;
      }
      return true;
    }
    const int16_t ahead = rtp::SequenceDistance(arrival.sequence, sequence_);
    const bool carries_on = arrival.ssrc == ssrc_ && ahead > 0 && ahead <= kCarriesOn;
    if (!arrival.source.SameAddress(source_) || !carries_on || !arrival.negotiated) return false;
    Learn(arrival);
    return true;
  }
  if (!rules_.signalled.Unspecified() && arrival.source == rules_.signalled) {
    Learn(arrival);
    return true;
  }
  return rules_.behind_nat && arrival.negotiated && InPrefixes(arrival.source) && Try(arrival);
}

bool AddressLearner::Try(const Arrival& arrival) {
  for (Candidate& candidate : candidates_) {
    if (candidate.packets == 0 || candidate.source != arrival.source) continue;
    const bool rising = rtp::SequenceNewer(arrival.sequence, candidate.sequence);
    if (candidate.ssrc != arrival.ssrc || !rising) candidate.packets = 0;
    candidate.ssrc = arrival.ssrc;
    candidate.sequence = arrival.sequence;
    if (++candidate.packets < kProof) return false;
    Learn(arrival);
    return true;
  }
  candidates_[next_candidate_++ % candidates_.size()] = {arrival.source, arrival.ssrc, arrival.sequence, 1};
  return false;
}

void AddressLearner::Learn(const Arrival& arrival) {
  learned_ = true;
  source_ = arrival.source;
  ssrc_ = arrival.ssrc;
  sequence_ = arrival.sequence;
  if (!rules_.signalled.Unspecified()) rtp_ = arrival.source;
}

bool AddressLearner::AcceptRtcp(const Endpoint& source, uint32_t sender_ssrc) {
  if (rtcp_learned_ && source == rtcp_source_) return true;
  const bool signalled = !rtcp_learned_ && !rules_.signalled_rtcp.Unspecified() && source == rules_.signalled_rtcp;
  const bool belongs = learned_ && source.SameAddress(source_) && sender_ssrc == ssrc_;
  if (!signalled && !belongs) return false;
  rtcp_learned_ = true;
  rtcp_source_ = source;
  if (!rules_.signalled.Unspecified()) rtcp_ = source;
  return true;
}

bool AddressLearner::InPrefixes(const Endpoint& source) const {
  for (const Prefix& prefix : rules_.prefixes) {
    if (prefix.Contains(source)) return true;
  }
  return false;
}

}  // namespace flattone::relay
