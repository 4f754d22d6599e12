#include "libs/sdp/description.h"

#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/sdp/fields.h"

namespace flattone::sdp {
namespace {

using internal::Attribute;

absl::Status BadLine(size_t index, std::string_view what, std::string_view limit) {
  return InvalidField(absl::StrCat("sdp line ", index + 1), what, limit);
}

// Cuts the text into lines and checks their form; values are looked at later.
absl::StatusOr<std::vector<std::string>> SplitLines(std::string_view text) {
  if (text.size() > kMaxBytes) {
    return InvalidField("sdp", absl::StrCat("has ", text.size(), " bytes"), absl::StrCat("at most ", kMaxBytes, " bytes"));
  }
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() && text.empty()) break;
    if (lines.size() == kMaxLines) return InvalidField("sdp", "has too many lines", absl::StrCat("at most ", kMaxLines));
    const bool formed = line.size() >= 2 && line[0] >= 'a' && line[0] <= 'z' && line[1] == '=';
    if (!formed || line.find('\0') != std::string_view::npos || line.find('\r') != std::string_view::npos) {
      return BadLine(lines.size(), "is malformed", "a small letter, '=' and a value without NUL or CR");
    }
    lines.emplace_back(line);
  }
  if (lines.empty() || lines[0] != "v=0") return InvalidField("sdp", "does not begin with v=0", "a description of version 0");
  return lines;
}

// The lines of one section: [begin, end), the session's or one m-line's with its attributes.
struct Section {
  size_t begin = 0;
  size_t end = 0;
};

absl::StatusOr<std::vector<Section>> Sections(const std::vector<std::string>& lines) {
  std::vector<Section> sections = {{0, lines.size()}};
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i][0] != 'm') continue;
    if (!internal::ParseMedia(lines[i])) {
      return BadLine(i, "is no media description", "m=<media> <port> <transport> <formats>");
    }
    if (sections.size() > kMaxMedia) return BadLine(i, "is one m-line too many", absl::StrCat("at most ", kMaxMedia));
    sections.back().end = i;
    sections.push_back({i, lines.size()});
  }
  return sections;
}

// The audio section to use: the first RTP/AVP one with a port, else the first RTP/AVP one (refused media).
absl::StatusOr<Section> ChooseAudio(const std::vector<std::string>& lines, const std::vector<Section>& sections) {
  std::optional<Section> refused;
  std::string other;
  for (size_t i = 1; i < sections.size(); ++i) {
    const auto media = *internal::ParseMedia(lines[sections[i].begin]);
    if (media.kind != "audio") continue;
    if (media.transport != "RTP/AVP") {
      if (other.empty()) other = std::string(media.transport);
    } else if (internal::Number(media.port, 65535) != 0u) {  // "000" is 0, too
      return sections[i];
    } else if (!refused) {
      refused = sections[i];
    }
  }
  if (refused) return *refused;
  if (!other.empty()) return InvalidField("sdp m=audio", absl::StrCat("uses ", other), "RTP/AVP");
  return InvalidField("sdp m=audio", "is missing", "one audio m-line of RTP/AVP");
}

absl::Status ReadConnection(const std::vector<std::string>& lines, size_t index, Audio& audio) {
  const auto connection = internal::ParseConnection(std::string_view(lines[index]).substr(2));
  if (!connection) return BadLine(index, "names no usable address", "c=IN IP4 or IP6 and one numeric unicast address");
  audio.address = connection->address;
  audio.ipv6 = connection->ipv6;
  return absl::OkStatus();
}

absl::Status ReadRtcp(std::string_view value, size_t index, Audio& audio) {
  const size_t space = value.find(' ');
  const auto port = internal::Number(value.substr(0, space), 65535);
  if (!port || *port == 0) return BadLine(index, "has no usable RTCP port", "a=rtcp:<1 to 65535> [IN IP4|IP6 <address>]");
  audio.rtcp_port = static_cast<uint16_t>(*port);
  if (space == std::string_view::npos) return absl::OkStatus();
  const auto connection = internal::ParseConnection(value.substr(space + 1));
  if (!connection) return BadLine(index, "names no usable RTCP address", "IN IP4 or IP6 and one numeric unicast address");
  audio.rtcp_address = connection->address;
  return absl::OkStatus();
}

void ReadDirection(std::string_view line, Audio& audio) {
  if (line == "a=sendrecv") audio.direction = Direction::kSendRecv;
  if (line == "a=sendonly") audio.direction = Direction::kSendOnly;
  if (line == "a=recvonly") audio.direction = Direction::kRecvOnly;
  if (line == "a=inactive") audio.direction = Direction::kInactive;
}

absl::Status ReadMediaLine(const std::vector<std::string>& lines, size_t index, Audio& audio) {
  const auto media = *internal::ParseMedia(lines[index]);
  const auto port = internal::Number(media.port, 65535);
  if (!port) return BadLine(index, absl::StrCat("has the port '", std::string(media.port), "'"), "a port from 0 to 65535");
  audio.port = static_cast<uint16_t>(*port);
  if (media.formats.size() > kMaxCodecs) return BadLine(index, "has too many formats", absl::StrCat("at most ", kMaxCodecs));
  for (std::string_view format : media.formats) {
    const auto payload_type = internal::Number(format, 127);
    if (!payload_type) {
      return BadLine(index, absl::StrCat("has the format '", std::string(format), "'"), "payload types from 0 to 127");
    }
    audio.codecs.push_back(internal::StaticCodec(static_cast<uint8_t>(*payload_type)));
  }
  return absl::OkStatus();
}

absl::Status ReadAttribute(std::string_view line, size_t index, Audio& audio) {
  if (auto value = Attribute(line, "rtpmap")) {
    const auto codec = internal::ParseRtpmap(*value);
    if (!codec) return BadLine(index, "is no payload mapping", "a=rtpmap:<0 to 127> <encoding>/<rate>[/<channels>]");
    for (Codec& known : audio.codecs) {
      if (known.payload_type == codec->payload_type) known = *codec;
    }
  } else if (auto ptime = Attribute(line, "ptime")) {
    const std::string_view whole = ptime->substr(0, ptime->find('.'));
    const auto ms = internal::Number(whole, 200);
    if (!ms || *ms == 0) return BadLine(index, "has no usable packet time", "1 to 200 milliseconds");
    audio.ptime_ms = *ms;
  } else if (auto rtcp = Attribute(line, "rtcp")) {
    return ReadRtcp(*rtcp, index, audio);
  } else if (line == "a=rtcp-mux") {
    audio.rtcp_mux = true;
  } else {
    ReadDirection(line, audio);
  }
  return absl::OkStatus();
}

absl::Status CheckAudio(size_t index, Audio& audio) {
  if (audio.port != 0 && audio.address.empty()) return InvalidField("sdp c=", "is missing", "given for the session or the audio");
  if (audio.port == 65535 && audio.rtcp_port == 0 && !audio.rtcp_mux) {
    return BadLine(index, "leaves no port for RTCP", "a port below 65535, or a=rtcp");
  }
  if (audio.rtcp_mux) {
    audio.rtcp_port = audio.port;
    audio.rtcp_address = audio.address;
  }
  if (audio.rtcp_port == 0 && audio.port != 0) audio.rtcp_port = static_cast<uint16_t>(audio.port + 1);
  if (audio.rtcp_address.empty()) audio.rtcp_address = audio.address;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Description> Description::Parse(std::string_view text) {
  auto lines = SplitLines(text);
  if (!lines.ok()) return lines.status();
  auto sections = Sections(*lines);
  if (!sections.ok()) return sections.status();
  auto section = ChooseAudio(*lines, *sections);
  if (!section.ok()) return section.status();

  Description description;
  description.lines_ = *std::move(lines);
  description.audio_line_ = section->begin;
  Audio& audio = description.audio_;
  const auto& all = description.lines_;
  for (size_t i = 0; i < sections->front().end; ++i) {
    if (all[i][0] == 'c') {
      if (auto status = ReadConnection(all, i, audio); !status.ok()) return status;
    }
    ReadDirection(all[i], audio);
  }
  if (auto status = ReadMediaLine(all, section->begin, audio); !status.ok()) return status;
  for (size_t i = section->begin + 1; i < section->end; ++i) {
    const absl::Status status = all[i][0] == 'c' ? ReadConnection(all, i, audio) : ReadAttribute(all[i], i, audio);
    if (!status.ok()) return status;
  }
  if (auto status = CheckAudio(section->begin, audio); !status.ok()) return status;
  return description;
}

std::string Codec::Name() const {
  if (encoding.empty()) return absl::StrCat("payload type ", payload_type);
  return channels > 1 ? absl::StrCat(encoding, "/", clock_rate, "/", channels) : absl::StrCat(encoding, "/", clock_rate);
}

const Codec* Audio::MainCodec() const {
  for (const Codec& codec : codecs) {
    if (codec.encoding != "TELEPHONE-EVENT" && codec.encoding != "RED" && codec.encoding != "CN") return &codec;
  }
  return nullptr;
}

const Codec* Audio::Find(uint8_t payload_type) const {
  for (const Codec& codec : codecs) {
    if (codec.payload_type == payload_type) return &codec;
  }
  return nullptr;
}

bool Audio::held() const {
  return direction == Direction::kSendOnly || direction == Direction::kInactive || address == "0.0.0.0" || address == "::";
}

}  // namespace flattone::sdp
