#include "absl/strings/str_cat.h"
#include "libs/sdp/description.h"
#include "libs/sdp/fields.h"

namespace flattone::sdp {
namespace {

using internal::Attribute;

std::string ConnectionLine(const Local& local) {
  return absl::StrCat("c=IN ", local.ipv6 ? "IP6 " : "IP4 ", local.address, "\r\n");
}

// The m-line with another port; a number of ports ("49170/2") goes too.
std::string MediaLine(std::string_view line, uint16_t port) {
  const size_t first = line.find(' ');
  const size_t second = line.find(' ', line.find_first_not_of(' ', first));
  return absl::StrCat(std::string(line.substr(0, first)), " ", port, std::string(line.substr(second)), "\r\n");
}

bool IsRtcpLine(std::string_view line) {
  return Attribute(line, "rtcp") || Attribute(line, "rtcp-mux") || Attribute(line, "rtcp-mux-only");
}

// The old way to hold is an address of zeros: it must stay one.
bool IsNullConnection(std::string_view line) {
  const auto connection = internal::ParseConnection(line.substr(2));
  return connection && (connection->address == "0.0.0.0" || connection->address == "::");
}

// The audio section's own RTCP lines, where its first stood or at its end.
void AppendRtcp(const Local& local, std::string& out) {
  absl::StrAppend(&out, "a=rtcp:", local.rtcp_mux ? local.rtp_port : local.rtcp_port, "\r\n");
  if (local.rtcp_mux) absl::StrAppend(&out, "a=rtcp-mux\r\n");
}

}  // namespace

std::string Description::Rewrite(const Local& local) const {
  std::string out;
  bool in_audio = false, rtcp_written = false;
  const auto leave_audio = [&] {
    if (in_audio && !rtcp_written && audio_.port != 0) AppendRtcp(local, out);
    in_audio = false;
  };
  for (size_t i = 0; i < lines_.size(); ++i) {
    const std::string& line = lines_[i];
    if (line[0] == 'm') {
      leave_audio();
      in_audio = i == audio_line_;
      out += MediaLine(line, in_audio && audio_.port != 0 ? local.rtp_port : 0);
    } else if (line[0] == 'c') {
      out += IsNullConnection(line) ? line + "\r\n" : ConnectionLine(local);
    } else if (IsRtcpLine(line)) {
      if (in_audio && !rtcp_written && audio_.port != 0) {
        AppendRtcp(local, out);
        rtcp_written = true;
      }
    } else if (!internal::IsKeyingOrIce(line)) {
      absl::StrAppend(&out, line, "\r\n");
    }
  }
  leave_audio();
  return out;
}

}  // namespace flattone::sdp
