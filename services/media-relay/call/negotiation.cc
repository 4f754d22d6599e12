#include "services/media-relay/call/negotiation.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::relay {
namespace {
constexpr size_t kMaxPrefixes = 16;
}

PayloadKind KindOf(const sdp::Codec& codec) {
  if (codec.encoding == "PCMU" && codec.clock_rate == 8000 && codec.channels == 1) return PayloadKind::kPcmu;
  if (codec.encoding == "PCMA" && codec.clock_rate == 8000 && codec.channels == 1) return PayloadKind::kPcma;
  if (codec.encoding == "TELEPHONE-EVENT") return PayloadKind::kEvent;
  if (codec.encoding == "CN") return PayloadKind::kComfortNoise;
  if (codec.encoding == "RED") return PayloadKind::kRedundancy;
  return PayloadKind::kOtherAudio;
}

PayloadMap MapPayloads(const sdp::Audio& sender, const sdp::Audio& receiver) {
  PayloadMap map;
  for (const sdp::Audio* audio : {&sender, &receiver}) {  // the receiver's word wins
    for (const sdp::Codec& codec : audio->codecs) {
      map.kinds[codec.payload_type] = KindOf(codec);
      map.clock_rates[codec.payload_type] = codec.clock_rate;
    }
  }
  return map;
}

absl::StatusOr<LegConfig> MakeLeg(const sdp::Audio& audio, const LearningRequest& learning) {
  LegConfig leg;
  leg.rtcp_mux = audio.rtcp_mux;
  leg.held = audio.held();
  if (audio.port != 0) {
    const auto rtp = Endpoint::From(audio.address, audio.port);
    const auto rtcp = Endpoint::From(audio.rtcp_address, audio.rtcp_port);
    if (!rtp || !rtcp) return InvalidField("sdp c=", "names no usable address", "a numeric address");
    leg.learning.signalled = *rtp;
    leg.learning.signalled_rtcp = *rtcp;
  }
  leg.learning.behind_nat = learning.behind_nat;
  if (learning.prefixes.size() > kMaxPrefixes) {
    return InvalidField("learning.prefixes", absl::StrCat("has ", learning.prefixes.size(), " entries"), "at most 16");
  }
  if (learning.behind_nat && learning.prefixes.empty()) {
    return InvalidField("learning.prefixes", "is empty", "given when behind_nat is set");
  }
  for (const std::string& text : learning.prefixes) {
    const auto prefix = Prefix::From(text);
    if (!prefix) return InvalidField("learning.prefixes", absl::StrCat("has '", text, "'"), "a range such as 198.51.100.0/24");
    leg.learning.prefixes.push_back(*prefix);
  }
  return leg;
}

}  // namespace flattone::relay
