// Pieces of SDP lines, for description.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/sdp/description.h"

namespace flattone::sdp::internal {

// Splits at single or repeated spaces.
std::vector<std::string_view> Words(std::string_view text);
// A decimal number of at most `max`, nothing else.
std::optional<uint32_t> Number(std::string_view text, uint32_t max);
// "a=<name>" or "a=<name>:<value>": the value when the line is that attribute.
std::optional<std::string_view> Attribute(std::string_view line, std::string_view name);

struct MediaLine {
  std::string_view kind;
  std::string_view port;
  std::string_view transport;
  std::vector<std::string_view> formats;
};
std::optional<MediaLine> ParseMedia(std::string_view line);

// "IN IP4 192.0.2.1" as in c= and a=rtcp. Only numeric unicast addresses.
struct Connection {
  std::string address;
  bool ipv6 = false;
};
std::optional<Connection> ParseConnection(std::string_view text);

// The codec that a static payload type means (RFC 3551 §6); without a name when it is none.
Codec StaticCodec(uint8_t payload_type);
// "0 PCMU/8000" or "111 opus/48000/2".
std::optional<Codec> ParseRtpmap(std::string_view text);

// Lines that the relay may not pass: ICE, DTLS, SDES and MIKEY keys.
bool IsKeyingOrIce(std::string_view line);

}  // namespace flattone::sdp::internal
