#include "services/session-orchestration/rest/door.h"

#include <boost/json.hpp>

#include "libs/base/error.h"
#include "libs/http/client.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"
#include "services/session-orchestration/rest/test_dispatcher.h"

namespace flattone::session::rest {
namespace {

namespace json = boost::json;

struct Harness {
  explicit Harness(http::ServerOptions options = {}) : client({}) {
    door = RestDoor::Make({}, PublicServices(), &dispatcher,
                          random, registry).value();
    server = http::HttpServer::Start(options, [this](http::Request request, http::ResponseWriter writer) {
               door->Handle(std::move(request), std::move(writer));
             }).value();
  }
  ~Harness() { server->Drain(absl::Seconds(1)); }

  http::ClientResult Send(const std::string& method, const std::string& target, const std::string& body = "",
                          http::Headers headers = {{"Content-Type", "application/json"}}) {
    http::ClientRequest request;
    request.method = method;
    request.url = {false, "127.0.0.1", server->port(), target};
    request.headers = std::move(headers);
    request.body = {reinterpret_cast<const uint8_t*>(body.data()), body.size()};
    return client.Send(request);
  }

  testing::SeededRandom random{3};
  obs::Registry registry;
  TestDispatcher dispatcher;
  std::unique_ptr<RestDoor> door;
  http::HttpClient client;
  std::unique_ptr<http::HttpServer> server;
};

std::string Member(const http::ClientResult& result, const char* name) {
  const json::value value = json::parse(result.body);
  const json::value* found = value.as_object().if_contains(name);
  return found == nullptr ? "" : found->is_string() ? found->as_string().c_str() : json::serialize(*found);
}

}  // namespace

TEST_CASE("a request reaches the dispatcher with method, message, credential and key", "[rest]") {
  Harness harness;
  const auto result = harness.Send("POST", "/v1/sessions", R"({"agent":"amal"})",
                                   {{"Content-Type", "application/json; charset=utf-8"},
                                    {"Authorization", "Bearer ft_test_x"},
                                    {"Flattone-Tenant", "ten_1"},
                                    {"Idempotency-Key", "k1"},
                                    {"traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"}});
  CHECK(result.code == 200);
  CHECK(Member(result, "id") == "ses_1");
  CHECK(result.body.find("\"9007199254740993\"") != std::string::npos);
  CHECK(harness.dispatcher.last_method == "flattone.session.v1.SessionService.CreateSession");
  CHECK(harness.dispatcher.last_request == "session { agent: \"amal\" }");
  const CallContext& context = harness.dispatcher.last_context;
  CHECK(context.credential_kind == CallContext::Credential::kBearer);
  CHECK(context.credential == "ft_test_x");
  CHECK(context.acting_tenant == "ten_1");
  CHECK(context.idempotency_key == "k1");
  CHECK(context.remote_address == "127.0.0.1");
  CHECK(context.traceparent.substr(3, 32) == "0123456789abcdef0123456789abcdef");
  CHECK(*http::FindHeader(result.headers, "trace-id") == "0123456789abcdef0123456789abcdef");
}

TEST_CASE("credentials are found in the header, the key header, then the cookie", "[rest]") {
  auto kind = [](http::Headers headers) { return ContextOf({"GET", "/", std::move(headers), "", ""}).credential_kind; };
  CHECK(kind({}) == CallContext::Credential::kNone);
  CHECK(kind({{"authorization", "Basic eA=="}}) == CallContext::Credential::kNone);
  CHECK(kind({{"x-api-key", "ft_test_x"}}) == CallContext::Credential::kApiKey);
  CHECK(kind({{"cookie", "flattone_agent=agt_1"}}) == CallContext::Credential::kAgentCookie);
  CHECK(kind({{"cookie", "flattone_agent=agt_1"}, {"authorization", "bearer x"}}) == CallContext::Credential::kBearer);
}

TEST_CASE("a cookie from another site's page is refused before the dispatcher", "[rest]") {
  Harness harness;
  const http::Headers cross = {{"Cookie", "flattone_agent=agt_1"}, {"Sec-Fetch-Site", "cross-site"}};
  CHECK(harness.Send("POST", "/v1/sessions/ses_1:cancel", "", cross).code == 403);
  CHECK(harness.dispatcher.calls == 0);
  const http::Headers same = {{"Cookie", "flattone_agent=agt_1"}, {"Sec-Fetch-Site", "same-origin"}};
  CHECK(harness.Send("POST", "/v1/sessions/ses_1:cancel", "", same).code == 200);
}

TEST_CASE("refusals become problem documents with a stable code", "[rest]") {
  struct Row {
    absl::Status status;
    int http;
    const char* code;
  };
  auto refuse = [](absl::StatusCode code, const char* name) {
    return Refusal(code, {.code = name, .field = "f", .limit = "l", .fix = "x"}, "what failed");
  };
  using C = absl::StatusCode;
  const Row row = GENERATE_COPY(values<Row>({
      {refuse(C::kInvalidArgument, "invalid_field"), 400, "invalid_field"},
      {refuse(C::kUnauthenticated, "key_expired"), 401, "key_expired"},
      {refuse(C::kPermissionDenied, "role_missing"), 403, "role_missing"},
      {refuse(C::kNotFound, "call_not_found"), 404, "call_not_found"},
      {refuse(C::kFailedPrecondition, "payment_open"), 409, "payment_open"},
      {refuse(C::kAborted, "idempotency_in_progress"), 409, "idempotency_in_progress"},
      {refuse(C::kFailedPrecondition, "idempotency_key_reused"), 422, "idempotency_key_reused"},
      {refuse(C::kResourceExhausted, "vault_full"), 429, "vault_full"},
      {refuse(C::kUnavailable, "no_masker"), 503, "no_masker"},
      {absl::DeadlineExceededError("late"), 504, "deadline_exceeded"},
      {absl::UnimplementedError("later"), 501, "not_implemented"},
  }));
  Harness harness;
  harness.dispatcher.refusal = row.status;
  const auto result = harness.Send("GET", "/v1/sessions/ses_1");
  CHECK(result.code == row.http);
  CHECK(Member(result, "code") == row.code);
  CHECK(Member(result, "status") == std::to_string(row.http));
  CHECK(Member(result, "trace_id").size() == 32);
  CHECK(*http::FindHeader(result.headers, "content-type") == "application/problem+json");
  CHECK(harness.registry.Value("flattone_session_rest_refusals_total", {{"status", std::to_string(row.http)}}) == 1);
}

TEST_CASE("what went wrong inside is not told", "[rest]") {
  Harness harness;
  harness.dispatcher.refusal = Refusal(absl::StatusCode::kInternal, {.code = "c", .field = "f", .limit = {}, .fix = {}},
                                       "SELECT secret FROM api_key");
  const auto result = harness.Send("GET", "/v1/sessions/ses_1");
  CHECK(result.code == 500);
  CHECK(result.body.find("SELECT") == std::string::npos);
  CHECK(Member(result, "code") == "internal");
}

TEST_CASE("bad requests never reach the dispatcher and name what is wrong", "[rest]") {
  http::ServerOptions options;
  options.max_body_bytes = 100'000;
  Harness harness(options);
  auto result = harness.Send("POST", "/v1/sessions", R"({"agent":5})");
  CHECK(result.code == 400);
  CHECK(Member(result, "field") == "agent");
  CHECK(Member(result, "limit") == "a string");
  result = harness.Send("POST", "/v1/sessions", "agent=5", {{"Content-Type", "application/x-www-form-urlencoded"}});
  CHECK(result.code == 415);
  CHECK(Member(result, "limit") == "application/json");
  result = harness.Send("DELETE", "/v1/sessions");
  CHECK(result.code == 405);
  CHECK(*http::FindHeader(result.headers, "allow") == "GET, POST");
  CHECK(harness.Send("GET", "/v2/sessions").code == 404);
  result = harness.Send("POST", "/v1/sessions", std::string(10'000'000, ' '));
  CHECK(result.code == 413);
  CHECK(Member(result, "limit") == "at most 100000 bytes");
  CHECK(harness.dispatcher.calls == 0);
}

TEST_CASE("a stream of which nothing more will come is 204, so that an EventSource stops coming back", "[rest]") {
  Harness harness;
  harness.dispatcher.refusal = absl::OutOfRangeError("the session has ended and everything was told");
  const auto result = harness.Send("GET", "/v1/sessions/ses_1/events:stream", "", {{"Last-Event-ID", "7"}});
  CHECK(result.code == 204);
  CHECK(result.body.empty());
}

TEST_CASE("the OpenAPI document is served", "[rest]") {
  Harness harness;
  const auto result = harness.Send("GET", "/openapi.json");
  CHECK(result.code == 200);
  CHECK(Member(result, "openapi") == "3.1.0");
}

}  // namespace flattone::session::rest
