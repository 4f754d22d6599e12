#include "services/session-orchestration/rest/routes.h"

#include <google/protobuf/descriptor.h>

#include "flattone/session/v1/session.pb.h"
#include "libs/base/error.h"
#include "libs/testing/catch.h"

namespace flattone::session::rest {
TEST_CASE("every method of the contract has a route, and finds itself", "[rest]") {
  const Routes routes = Routes::From(PublicServices()).value();
  int methods = 0;
  for (const auto* service : PublicServices()) methods += service->method_count();
  CHECK(static_cast<int>(routes.all().size()) >= methods);
  for (const Route& route : routes.all()) {
    std::string path = route.path.text();
    for (size_t open = path.find('{'); open != std::string::npos; open = path.find('{')) {
      path.replace(open, path.find('}') - open + 1, "id_1");
    }
    CAPTURE(path);
    auto match = routes.Find(route.verb, path);
    REQUIRE(match.ok());
    CHECK(match->route->method == route.method);
  }
}

TEST_CASE("an unknown path is 404, a known one with another verb lists its verbs", "[rest]") {
  const Routes routes = Routes::From(PublicServices()).value();
  CHECK(routes.Find("GET", "/v1/nothing").status().code() == absl::StatusCode::kNotFound);
  CHECK(routes.Find("GET", "/v1/sessions/ses_1:fly").status().code() == absl::StatusCode::kNotFound);
  const auto detail = DetailOf(routes.Find("PATCH", "/v1/sessions").status());
  CHECK(detail->code == "method_not_allowed");
  CHECK(detail->limit == "GET, POST");
}

TEST_CASE("path, query and body meet in one message", "[rest]") {
  const Routes routes = Routes::From(PublicServices()).value();
  auto bind = [&](const char* verb, const char* path, const char* query, const char* body) {
    return BindRequest(routes.Find(verb, path).value(), query, body);
  };
  CHECK((*bind("POST", "/v1/sessions/ses_1:pay", "", R"({"wait_seconds":5})"))->ShortDebugString() ==
        "session_id: \"ses_1\" wait_seconds: 5");
  CHECK((*bind("POST", "/v1/sessions/ses_1:pay", "", ""))->ShortDebugString() == "session_id: \"ses_1\"");
  CHECK((*bind("POST", "/v1/sessions", "", R"({"agent":"amal"})"))->ShortDebugString() == "session { agent: \"amal\" }");
  CHECK((*bind("GET", "/v1/sessions/s/events", "after=7&pageSize=2", ""))->ShortDebugString() ==
        "session_id: \"s\" after: 7 page_size: 2");
  CHECK((*bind("PUT", "/v1/webhookEndpoints/whe_1", "", R"({"url":"https://a/"})"))->ShortDebugString() ==
        "endpoint_id: \"whe_1\" endpoint { url: \"https://a/\" }");
}

TEST_CASE("what belongs nowhere is refused by name", "[rest]") {
  const Routes routes = Routes::From(PublicServices()).value();
  auto field = [&](const char* verb, const char* path, const char* query, const char* body) {
    const auto detail = DetailOf(BindRequest(routes.Find(verb, path).value(), query, body).status());
    return detail.has_value() ? detail->field : "none";
  };
  CHECK(field("GET", "/v1/sessions", "colour=red", "") == "colour");
  CHECK(field("GET", "/v1/sessions", "page_size=many", "") == "page_size");
  CHECK(field("GET", "/v1/sessions/ses_1", "session_id=ses_2", "") == "session_id");
  CHECK(field("GET", "/v1/sessions", "", "{}") == "body");
  CHECK(field("POST", "/v1/sessions/ses_1:pay", "wait_seconds=1", "") == "wait_seconds");
  CHECK(field("POST", "/v1/sessions/ses_1:pay", "", R"({"session_id":"ses_2"})") == "session_id");
  CHECK(field("POST", "/v1/sessions", "session.agent=x", "{}") == "session.agent");
  CHECK(field("GET", "/v1/sessions", "page_size=%zz", "") == "query");
}

}  // namespace flattone::session::rest
