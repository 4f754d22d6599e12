#include "tools/callbox/sdp_text.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace flattone::call {

std::string MakeSdp(const SdpChoice& choice) {
  const std::string family = choice.host.find(':') == std::string::npos ? "IP4" : "IP6";
  const int type = static_cast<int>(choice.codec);
  std::string sdp = absl::StrCat("v=0\r\no=- ", choice.port, " 1 IN ", family, " ", choice.host, "\r\ns=-\r\nc=IN ", family,
                                 " ", choice.host, "\r\nt=0 0\r\nm=audio ", choice.port, " RTP/AVP ", type);
  if (choice.event_payload_type >= 0) absl::StrAppend(&sdp, " ", choice.event_payload_type);
  absl::StrAppend(&sdp, "\r\na=rtpmap:", type, type == 0 ? " PCMU" : " PCMA", "/8000\r\n");
  if (choice.event_payload_type >= 0)
    absl::StrAppend(&sdp, "a=rtpmap:", choice.event_payload_type, " telephone-event/8000\r\na=fmtp:",
                    choice.event_payload_type, " 0-15\r\n");
  absl::StrAppend(&sdp, "a=ptime:", choice.ptime_ms, "\r\na=sendrecv\r\n");
  if (choice.rtcp_mux) absl::StrAppend(&sdp, "a=rtcp-mux\r\n");
  return sdp;
}

absl::StatusOr<Address> MediaAddress(const std::string& sdp) {
  std::string host;
  int port = 0;
  bool in_audio = false;
  for (absl::string_view line : absl::StrSplit(sdp, '\n')) {
    line = absl::StripSuffix(line, "\r");
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (absl::StartsWith(line, "m=")) {
      if (in_audio) break;
      in_audio = absl::StartsWith(line, "m=audio ");
      if (in_audio && (words.size() < 3 || !absl::SimpleAtoi(words[1], &port))) port = 0;
    } else if (absl::StartsWith(line, "c=") && words.size() == 3 && (in_audio || port == 0)) {
      host = words[2];
    }
  }
  if (port <= 0 || port > 65535 || host.empty())
    return absl::InvalidArgumentError("the relay's SDP has no audio m-line with an address and a port");
  return MakeAddress(host, static_cast<uint16_t>(port));
}

}  // namespace flattone::call
