#include "libs/http/url.h"

#include "libs/http/headers.h"
#include "libs/testing/catch.h"

namespace flattone::http {

TEST_CASE("a URL is split into host, port and target", "[http]") {
  auto url = ParseUrl("https://api.example.com:8443/v1/x?y=1");
  REQUIRE(url.ok());
  CHECK(url->tls);
  CHECK(url->host == "api.example.com");
  CHECK(url->port == 8443);
  CHECK(url->target == "/v1/x?y=1");
  CHECK(url->Authority() == "api.example.com:8443");
  CHECK(ParseUrl("https://a.example")->target == "/");
  CHECK(ParseUrl("https://a.example?q")->target == "/?q");
  CHECK(ParseUrl("http://[::1]:80/")->Authority() == "[::1]");
}

TEST_CASE("a URL that could mean two hosts is refused", "[http]") {
  const char* text = GENERATE("", "ftp://a/", "https://", "https://user@a/", "https://a:0/", "https://a:70000/",
                              "https://a:/", "https://a b/", "https://a/#f", "https://[::1/", "https://[x]/",
                              "https://a\r\nX: y/", "https://[::1]x/", "https://a\\@b/", "//a", "https://%31/");
  CAPTURE(text);
  CHECK_FALSE(ParseUrl(text).ok());
}

TEST_CASE("escapes decode, broken ones and NUL do not", "[http]") {
  CHECK(*PercentDecode("a%20b+c", false) == "a b+c");
  CHECK(*PercentDecode("a%20b+c", true) == "a b c");
  CHECK_FALSE(PercentDecode("%", false).has_value());
  CHECK_FALSE(PercentDecode("%4", false).has_value());
  CHECK_FALSE(PercentDecode("%zz", false).has_value());
  CHECK_FALSE(PercentDecode("%00", false).has_value());
  CHECK(*PercentDecode(PercentEncode("ä/&=%+ "), true) == "ä/&=%+ ");
}

TEST_CASE("a form keeps order and repeats, and is bounded", "[http]") {
  auto fields = ParseForm("a=1&b=%26&a=2&c");
  REQUIRE(fields.ok());
  CHECK(*fields == Fields{{"a", "1"}, {"b", "&"}, {"a", "2"}, {"c", ""}});
  CHECK_FALSE(ParseForm("a&b&c", 2).ok());
  CHECK_FALSE(ParseForm("a=%G1").ok());
}

TEST_CASE("only origin-form targets are taken", "[http]") {
  CHECK(ParseTarget("/a/b?c=d?e")->query == "c=d?e");
  CHECK_FALSE(ParseTarget("http://x/").has_value());
  CHECK_FALSE(ParseTarget("*").has_value());
  CHECK_FALSE(ParseTarget("/a\x01").has_value());
}

TEST_CASE("headers compare without case, cookies are found by name", "[http]") {
  const Headers headers = {{"Content-Type", "x"}, {"Cookie", "a=1; flattone_agent=agt_2; b=3"}};
  CHECK(*FindHeader(headers, "content-type") == "x");
  CHECK_FALSE(FindHeader(headers, "content-typ").has_value());
  CHECK(*FindCookie(headers, "flattone_agent") == "agt_2");
  CHECK_FALSE(FindCookie(headers, "agent").has_value());
}

}  // namespace flattone::http
