// The little SDP that a telephone speaks (RFC 8866): what this tool offers, and where the relay wants its packets.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "tools/callbox/g711.h"
#include "tools/callbox/udp.h"

namespace flattone::call {

struct SdpChoice {
  std::string host;
  uint16_t port = 0;
  Codec codec = Codec::kPcmu;
  int ptime_ms = 20;
  int event_payload_type = -1;  // -1: telephone-event is not named
  bool rtcp_mux = true;
};

std::string MakeSdp(const SdpChoice& choice);

// Address and port of the first audio m-line. INVALID_ARGUMENT if there is none or its port is 0.
absl::StatusOr<Address> MediaAddress(const std::string& sdp);

}  // namespace flattone::call
