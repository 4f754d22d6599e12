#include "libs/sdp/fields.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace flattone::sdp {

int AddressFamily(std::string_view address) {
  const std::string text(address);
  std::array<uint8_t, 16> bytes;
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return 4;
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return 6;
  return 0;
}

namespace internal {

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::optional<uint32_t> Number(std::string_view text, uint32_t max) {
  if (text.empty() || text.size() > 10) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  if (value > max) return std::nullopt;
  return static_cast<uint32_t>(value);
}

std::optional<std::string_view> Attribute(std::string_view line, std::string_view name) {
  if (line.substr(0, 2) != "a=" || line.substr(2, name.size()) != name) return std::nullopt;
  line.remove_prefix(2 + name.size());
  if (line.empty()) return line;
  if (line[0] != ':') return std::nullopt;
  return line.substr(1);
}

std::optional<MediaLine> ParseMedia(std::string_view line) {
  std::vector<std::string_view> words = Words(line.substr(2));
  if (words.size() < 4 || line[2] == ' ') return std::nullopt;
  MediaLine media{.kind = words[0], .port = words[1], .transport = words[2], .formats = {}};
  media.formats.assign(words.begin() + 3, words.end());
  return media;
}

std::optional<Connection> ParseConnection(std::string_view text) {
  const std::vector<std::string_view> words = Words(text);
  if (words.size() != 3 || words[0] != "IN") return std::nullopt;
  const int family = AddressFamily(words[2]);
  if (!(family == 4 && words[1] == "IP4") && !(family == 6 && words[1] == "IP6")) return std::nullopt;
  if (family == 4) {
    std::array<uint8_t, 4> bytes;
    inet_pton(AF_INET, std::string(words[2]).c_str(), bytes.data());
    if (bytes[0] >= 224) return std::nullopt;  // multicast
  } else if (words[2].substr(0, 2) == "ff" || words[2].substr(0, 2) == "FF") {
    return std::nullopt;
  }
  return Connection{std::string(words[2]), family == 6};
}

Codec StaticCodec(uint8_t payload_type) {
  struct Entry {
    uint8_t payload_type;
    const char* encoding;
    uint32_t clock_rate;
  };
  static constexpr Entry kEntries[] = {{0, "PCMU", 8000}, {3, "GSM", 8000},   {4, "G723", 8000},  {5, "DVI4", 8000},
                                       {6, "DVI4", 16000}, {7, "LPC", 8000},  {8, "PCMA", 8000},  {9, "G722", 8000},
                                       {12, "QCELP", 8000}, {13, "CN", 8000}, {15, "G728", 8000}, {18, "G729", 8000}};
  for (const Entry& entry : kEntries) {
    if (entry.payload_type == payload_type) {
      return {.payload_type = payload_type, .encoding = entry.encoding, .clock_rate = entry.clock_rate};
    }
  }
  return {.payload_type = payload_type, .encoding = {}, .clock_rate = 0};
}

std::optional<Codec> ParseRtpmap(std::string_view text) {
  const std::vector<std::string_view> words = Words(text);
  if (words.size() != 2) return std::nullopt;
  const auto payload_type = Number(words[0], 127);
  const size_t slash = words[1].find('/');
  if (!payload_type || slash == 0 || slash == std::string_view::npos) return std::nullopt;
  std::string_view rate = words[1].substr(slash + 1);
  Codec codec{.payload_type = static_cast<uint8_t>(*payload_type), .encoding = {}, .clock_rate = 0};
  if (const size_t second = rate.find('/'); second != std::string_view::npos) {
    const auto channels = Number(rate.substr(second + 1), 8);
    if (!channels || *channels == 0) return std::nullopt;
    codec.channels = static_cast<uint8_t>(*channels);
    rate = rate.substr(0, second);
  }
  const auto clock_rate = Number(rate, 192'000);
  if (!clock_rate || *clock_rate == 0) return std::nullopt;
  codec.clock_rate = *clock_rate;
  for (char c : words[1].substr(0, slash)) {
    codec.encoding.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  return codec;
}

bool IsKeyingOrIce(std::string_view line) {
  if (line.substr(0, 2) == "k=") return true;
  static constexpr std::string_view kNames[] = {
      "ice-ufrag", "ice-pwd",     "ice-options", "ice-lite", "ice-mismatch", "ice-pacing", "candidate",
      "remote-candidates", "end-of-candidates", "crypto",   "fingerprint",  "setup",      "connection",
      "key-mgmt",  "tls-id",      "dtls-id",     "zrtp-hash"};
  for (std::string_view name : kNames) {
    if (Attribute(line, name)) return true;
  }
  return false;
}

}  // namespace internal
}  // namespace flattone::sdp
