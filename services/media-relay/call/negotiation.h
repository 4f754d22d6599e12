// From two session descriptions to what the packet core needs. Pure.
#pragma once

#include "absl/status/statusor.h"
#include "libs/sdp/description.h"
#include "services/media-relay/media/call.h"
#include "services/media-relay/media/payload_map.h"

namespace flattone::relay {

PayloadKind KindOf(const sdp::Codec& codec);

// What a side may send: the types that the receiver described, and those of its own description that the receiver
// did not use for something else (a phone that sends events which were never offered must be understood too).
PayloadMap MapPayloads(const sdp::Audio& sender, const sdp::Audio& receiver);

// How a side asked to be learnt, checked. InvalidField names the prefix that cannot be used.
struct LearningRequest {
  bool behind_nat = false;
  std::vector<std::string> prefixes;
};
absl::StatusOr<LegConfig> MakeLeg(const sdp::Audio& audio, const LearningRequest& learning);

}  // namespace flattone::relay
