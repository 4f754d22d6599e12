#include "libs/sdp/description.h"

#include "libs/base/error.h"
#include "libs/testing/catch.h"

namespace flattone::sdp {
namespace {

const std::string kOffer =
    "v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8 0 18 101 13\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-16\r\na=ptime:30\r\na=sendrecv\r\n";

std::string With(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(std::string(from));
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("An offer gives address, ports, codecs and packet time") {
  const auto offer = Description::Parse(kOffer);
  REQUIRE(offer.ok());
  const Audio& audio = offer->audio();
  CHECK(audio.address == "203.0.113.5");
  CHECK(audio.port == 40000);
  CHECK(audio.rtcp_port == 40001);
  CHECK(audio.rtcp_address == "203.0.113.5");
  CHECK(audio.ptime_ms == 30);
  REQUIRE(audio.codecs.size() == 5);
  CHECK(audio.MainCodec()->Name() == "PCMA/8000");
  CHECK(audio.Find(0)->Name() == "PCMU/8000");
  CHECK(audio.Find(101)->encoding == "TELEPHONE-EVENT");
  CHECK(audio.Find(13)->encoding == "CN");
  CHECK(audio.Find(77) == nullptr);
  CHECK_FALSE(audio.held());
}

TEST_CASE("The media's own lines win over the session's") {
  const std::string text =
      "v=0\no=- 1 1 IN IP6 2001:db8::1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\na=recvonly\n"
      "m=video 5000 RTP/AVP 96\nm=audio 6000 RTP/AVP 111\nc=IN IP6 2001:db8::5\na=rtpmap:111 opus/48000/2\n"
      "a=rtcp:7000 IN IP6 2001:db8::6\na=sendonly\n";
  const auto offer = Description::Parse(text);
  REQUIRE(offer.ok());
  CHECK(offer->audio().ipv6);
  CHECK(offer->audio().address == "2001:db8::5");
  CHECK(offer->audio().rtcp_address == "2001:db8::6");
  CHECK(offer->audio().rtcp_port == 7000);
  CHECK(offer->audio().MainCodec()->Name() == "OPUS/48000/2");
  CHECK(offer->audio().held());
}

TEST_CASE("Hold is told by direction or by the zero address") {
  CHECK(Description::Parse(With(kOffer, "a=sendrecv", "a=inactive"))->audio().held());
  CHECK(Description::Parse(With(kOffer, "c=IN IP4 203.0.113.5", "c=IN IP4 0.0.0.0"))->audio().held());
  CHECK_FALSE(Description::Parse(With(kOffer, "a=sendrecv", "a=recvonly"))->audio().held());
}

TEST_CASE("With rtcp-mux RTCP comes to the RTP port") {
  const auto offer = Description::Parse(kOffer + "a=rtcp-mux\r\n");
  REQUIRE(offer.ok());
  CHECK(offer->audio().rtcp_mux);
  CHECK(offer->audio().rtcp_port == 40000);
}

TEST_CASE("A refused stream is read as such") {
  const auto answer = Description::Parse(With(kOffer, "audio 40000", "audio 0"));
  REQUIRE(answer.ok());
  CHECK(answer->audio().port == 0);
}

TEST_CASE("Of two refused streams the first is read, however its zero is written") {
  for (const std::string zero : {"0", "000"}) {
    const auto refused = Description::Parse("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
                                            "m=audio 0 RTP/AVP 111\r\nm=audio " + zero + " RTP/AVP 8 0\r\n");
    REQUIRE(refused.ok());
    CHECK(refused->audio().port == 0);
    CHECK(refused->audio().codecs.size() == 1);
  }
}

TEST_CASE("Errors name the line and its limits") {
  struct Case {
    std::string text, field, limit_part;
  };
  const Case cases[] = {
      {"", "sdp", "version 0"},
      {"hello", "sdp line 1", "small letter"},
      {With(kOffer, "v=0", "v=1"), "sdp", "version 0"},
      {With(kOffer, "m=audio 40000 RTP/AVP", "m=audio 40000 RTP/SAVP"), "sdp m=audio", "RTP/AVP"},
      {With(kOffer, "m=audio", "m=video"), "sdp m=audio", "one audio"},
      {With(kOffer, "audio 40000", "audio 70000"), "sdp line 6", "0 to 65535"},
      {With(kOffer, "audio 40000", "audio 65535"), "sdp line 6", "below 65535"},
      {With(kOffer, " 8 0 ", " 8 128 "), "sdp line 6", "0 to 127"},
      {With(kOffer, "m=audio 40000 RTP/AVP 8 0 18 101 13", "m=audio 40000"), "sdp line 6", "<transport>"},
      {With(kOffer, "c=IN IP4 203.0.113.5", "c=IN IP4 example.org"), "sdp line 4", "numeric"},
      {With(kOffer, "c=IN IP4 203.0.113.5", "c=IN IP4 224.2.1.1/127"), "sdp line 4", "unicast"},
      {With(kOffer, "c=IN IP4 203.0.113.5", "c=IN IP6 203.0.113.5"), "sdp line 4", "IP4 or IP6"},
      {With(kOffer, "c=IN IP4 203.0.113.5\r\n", ""), "sdp c=", "session or the audio"},
      {With(kOffer, "ptime:30", "ptime:900"), "sdp line 10", "200"},
      {With(kOffer, "a=rtpmap:8 PCMA/8000", "a=rtpmap:8 PCMA"), "sdp line 7", "<encoding>"},
      {kOffer + "a=rtcp:0\r\n", "sdp line 12", "65535"},
      {kOffer + std::string(kMaxBytes, 'x'), "sdp", "16384 bytes"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text.substr(0, 200));
    const auto parsed = Description::Parse(c.text);
    REQUIRE(parsed.status().code() == absl::StatusCode::kInvalidArgument);
    const auto detail = DetailOf(parsed.status());
    REQUIRE(detail.has_value());
    CHECK(detail->field == c.field);
    CHECK(detail->limit.find(c.limit_part) != std::string::npos);
  }
}

TEST_CASE("Too many lines, media or formats are refused") {
  std::string lines = kOffer;
  for (size_t i = 0; i < kMaxLines; ++i) lines += "a=x\r\n";
  CHECK_FALSE(Description::Parse(lines).ok());
  std::string media = kOffer;
  for (size_t i = 0; i < kMaxMedia; ++i) media += "m=video 0 RTP/AVP 96\r\n";
  CHECK_FALSE(Description::Parse(media).ok());
  std::string formats = " 13";
  for (size_t i = 0; i < kMaxCodecs; ++i) formats += " 96";
  CHECK_FALSE(Description::Parse(With(kOffer, " 13", formats)).ok());
}

}  // namespace
}  // namespace flattone::sdp
