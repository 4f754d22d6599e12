#include "libs/sdp/description.h"
#include "libs/testing/catch.h"

namespace flattone::sdp {
namespace {

std::string Rewritten(std::string_view text, const Local& local) {
  const auto description = Description::Parse(text);
  REQUIRE(description.ok());
  const std::string out = description->Rewrite(local);
  REQUIRE(Description::Parse(out).ok());
  return out;
}

const Local kLocal{.address = "192.0.2.9", .ipv6 = false, .rtp_port = 30000, .rtcp_port = 30001, .rtcp_mux = false};

TEST_CASE("Address, port and RTCP are the relay's; ICE and keys are gone; the rest stays in order") {
  const std::string in =
      "v=0\r\no=alice 7 8 IN IP4 10.0.0.1\r\ns=a call\r\nc=IN IP4 10.0.0.1\r\nb=AS:80\r\nt=0 0\r\na=ice-lite\r\n"
      "a=fingerprint:sha-256 AA:BB\r\na=group:BUNDLE 0 1\r\na=x-odd:kept\r\n"
      "m=audio 4000 RTP/AVP 0 101\r\nc=IN IP4 10.0.0.2\r\na=candidate:1 1 UDP 1 10.0.0.1 4000 typ host\r\n"
      "a=rtpmap:101 telephone-event/8000\r\na=rtcp:4009 IN IP4 10.0.0.3\r\na=crypto:1 AES inline:abc\r\na=ice-ufrag:x\r\n"
      "a=ptime:20\r\na=rtcp-mux\r\na=label:10\r\n"
      "m=video 5000/2 RTP/AVP 96\r\nc=IN IP4 10.0.0.2\r\na=rtcp:5009\r\na=setup:active\r\na=rtpmap:96 H264/90000\r\n"
      "m=audio 6000 RTP/AVP 8\r\na=mid:2\r\n";
  CHECK(Rewritten(in, kLocal) ==
        "v=0\r\no=alice 7 8 IN IP4 10.0.0.1\r\ns=a call\r\nc=IN IP4 192.0.2.9\r\nb=AS:80\r\nt=0 0\r\n"
        "a=group:BUNDLE 0 1\r\na=x-odd:kept\r\n"
        "m=audio 30000 RTP/AVP 0 101\r\nc=IN IP4 192.0.2.9\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=rtcp:30001\r\n"
        "a=ptime:20\r\na=label:10\r\n"
        "m=video 0 RTP/AVP 96\r\nc=IN IP4 192.0.2.9\r\na=rtpmap:96 H264/90000\r\n"
        "m=audio 0 RTP/AVP 8\r\na=mid:2\r\n");
}

TEST_CASE("An IPv4 offer can leave as IPv6, with RTCP on the same port") {
  const std::string in = "v=0\no=- 1 1 IN IP4 10.0.0.1\ns=-\nc=IN IP4 10.0.0.1\nt=0 0\nm=audio 4000 RTP/AVP 0\na=ptime:20\n";
  const Local local{.address = "2001:db8::9", .ipv6 = true, .rtp_port = 30000, .rtcp_port = 30001, .rtcp_mux = true};
  CHECK(Rewritten(in, local) ==
        "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP6 2001:db8::9\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\n"
        "a=ptime:20\r\na=rtcp:30000\r\na=rtcp-mux\r\n");
}

TEST_CASE("A refused stream stays refused and a zero address stays zero") {
  const std::string in = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=rtcp:9\r\n";
  CHECK(Rewritten(in, kLocal) ==
        "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n");
}

}  // namespace
}  // namespace flattone::sdp
