// Session descriptions (RFC 8866) as a media relay needs them: find the one audio stream, put the relay's own
// address into it, leave everything else as it came.
//
//   absl::StatusOr<Description> offer = Description::Parse(text);   // errors name the line and its limits
//   offer->audio().codecs ...                                       // what the other side can speak
//   std::string out = offer->Rewrite({.address = "192.0.2.1", .rtp_port = 30000, .rtcp_port = 30001});
//
// Rewrite changes: every c=; the audio's port, a=rtcp and a=rtcp-mux; ICE, DTLS and crypto lines go; every other
// m-line gets port 0. All else stays, in order. Values; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace flattone::sdp {

inline constexpr size_t kMaxBytes = 16 * 1024;
inline constexpr size_t kMaxLines = 512;
inline constexpr size_t kMaxMedia = 16;
inline constexpr size_t kMaxCodecs = 64;

struct Codec {
  uint8_t payload_type = 0;  // 0 to 127
  std::string encoding;      // as registered, in capitals: "PCMU", "TELEPHONE-EVENT", "OPUS"; empty when unknown
  uint32_t clock_rate = 0;   // Hz; 0 when unknown
  uint8_t channels = 1;

  // "PCMU/8000", or "payload type 77" when the description does not say.
  std::string Name() const;
};

enum class Direction { kSendRecv, kSendOnly, kRecvOnly, kInactive };

// The audio stream, as its sender describes it.
struct Audio {
  std::string address;  // numeric, IPv4 or IPv6; where this side receives
  bool ipv6 = false;
  uint16_t port = 0;  // 0: refused or taken away
  std::string rtcp_address;
  uint16_t rtcp_port = 0;
  bool rtcp_mux = false;
  Direction direction = Direction::kSendRecv;
  uint32_t ptime_ms = 20;
  std::vector<Codec> codecs;  // in order of preference, with the telephone events and redundancy among them

  // The first codec that carries sound (not events, redundancy or comfort noise); nullptr when there is none.
  const Codec* MainCodec() const;
  const Codec* Find(uint8_t payload_type) const;
  // On hold: told by direction, or the old way by the address 0.0.0.0 (RFC 2543).
  bool held() const;
};

// Where the relay receives for this leg.
struct Local {
  std::string address;
  bool ipv6 = false;
  uint16_t rtp_port = 0;
  uint16_t rtcp_port = 0;
  bool rtcp_mux = false;  // say a=rtcp-mux
};

class Description {
 public:
  // INVALID_ARGUMENT naming the line ("sdp line 4, m=audio: …") and what it must be.
  static absl::StatusOr<Description> Parse(std::string_view text);

  const Audio& audio() const { return audio_; }
  // Lines end in CRLF.
  std::string Rewrite(const Local& local) const;

 private:
  Description() = default;
  std::vector<std::string> lines_;  // without their ends
  size_t audio_line_ = 0;           // index of the chosen m-line
  Audio audio_;
};

// A numeric address: 4, 6, or 0 when it is neither.
int AddressFamily(std::string_view address);

}  // namespace flattone::sdp
