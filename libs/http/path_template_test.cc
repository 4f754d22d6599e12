#include "libs/http/path_template.h"

#include "libs/testing/catch.h"

namespace flattone::http {
namespace {
using Variables = PathTemplate::Variables;
std::optional<Variables> Match(const char* text, const char* path) { return PathTemplate::Parse(text)->Match(path); }
}  // namespace

TEST_CASE("variables are taken from their segments and decoded", "[http]") {
  CHECK(*Match("/v1/sessions/{session_id}", "/v1/sessions/ses_1") == Variables{{"session_id", "ses_1"}});
  CHECK(*Match("/v1/sessions/{session_id}:pay", "/v1/sessions/a%2Fb:pay") == Variables{{"session_id", "a/b"}});
  CHECK(*Match("/v1/{a.b}/x/{c=p/*}/y", "/v1/1/x/p/2/y") == Variables{{"a.b", "1"}, {"c", "p/2"}});
  CHECK(*Match("/v1/{rest=**}", "/v1/1/2/3") == Variables{{"rest", "1/2/3"}});
  CHECK(*Match("/v1/sessions/{session_id}/events:stream", "/v1/sessions/s/events:stream") ==
        Variables{{"session_id", "s"}});
}

TEST_CASE("what does not fit is not matched", "[http]") {
  CHECK_FALSE(Match("/v1/sessions", "/v1/sessions/").has_value());
  CHECK_FALSE(Match("/v1/sessions/{id}", "/v1/sessions/").has_value());
  CHECK_FALSE(Match("/v1/sessions/{id}", "/v1/sessions/a/b").has_value());
  CHECK_FALSE(Match("/v1/sessions/{id}", "/v1/sessions/a:pay").has_value());
  CHECK_FALSE(Match("/v1/sessions/{id}:pay", "/v1/sessions/a:cancel").has_value());
  CHECK_FALSE(Match("/v1/sessions/{id}:pay", "/v1/sessions/a").has_value());
  CHECK_FALSE(Match("/v1/sessions/{id}", "/v1/sessions/%zz").has_value());
  CHECK_FALSE(Match("/v1/sessions/{id}", "v1/sessions/a").has_value());
}

TEST_CASE("malformed templates are refused", "[http]") {
  const char* text = GENERATE("", "v1", "/v1/{a", "/v1/{}", "/v1/a}b/{", "/v1//x", "/v1/{a=**}/b", "/v1/{a=}",
                              "/v1/{a}b", "/v1:", "/v1/{a={b}}");
  CAPTURE(text);
  CHECK_FALSE(PathTemplate::Parse(text).ok());
}

}  // namespace flattone::http
