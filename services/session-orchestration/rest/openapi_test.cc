#include "services/session-orchestration/rest/openapi.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <boost/json.hpp>
#include <fstream>

#include "libs/testing/catch.h"
#include "services/session-orchestration/rest/examples.h"

namespace flattone::session::rest {
namespace {

namespace json = boost::json;

// Every "$ref" below a value.
void Refs(const json::value& value, std::vector<std::string>* out) {
  if (value.is_object()) {
    for (const auto& member : value.as_object()) {
      if (member.key() == "$ref") out->push_back(member.value().as_string().c_str());
      Refs(member.value(), out);
    }
  }
  if (value.is_array()) {
    for (const auto& element : value.as_array()) Refs(element, out);
  }
}

}  // namespace

TEST_CASE("docs/openapi.json is what the contract says; after a change: flattone-openapi > docs/openapi.json", "[rest]") {
  std::ifstream in("docs/openapi.json");
  const std::string committed((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  CHECK(committed == SessionOpenApiDocument());
}

TEST_CASE("every method is there with its comment, every reference leads somewhere", "[rest]") {
  const json::value document = json::parse(SessionOpenApiDocument());
  int methods = 0;
  for (const auto* service : PublicServices()) methods += service->method_count();
  int operations = 0;
  for (const auto& path : document.at("paths").as_object()) operations += static_cast<int>(path.value().as_object().size());
  CHECK(operations >= methods);
  CHECK(document.at_pointer("/paths/~1v1~1sessions~1{session_id}:pay/post/summary").as_string() ==
        "Pays with the collected card, according to the session's intent");
  std::vector<std::string> refs;
  Refs(document, &refs);
  CHECK(refs.size() > 50);
  for (const std::string& ref : refs) {
    CAPTURE(ref);
    json::error_code error;
    CHECK(document.find_pointer(ref.substr(1), error) != nullptr);
  }
}

TEST_CASE("every body has an example, and the server takes it", "[rest]") {
  const auto routes = Routes::From(PublicServices());
  for (const Route& route : routes->all()) {
    if (route.body.empty()) continue;
    const std::string example = ExampleBody(route.method->name());
    CAPTURE(route.method->name(), example);
    REQUIRE(!example.empty());
    const absl::Status bound = BindRequest({&route, {}}, "", example).status();
    CAPTURE(bound.ToString());
    CHECK(bound.ok());
  }
}

TEST_CASE("what the path binds is not in the body", "[rest]") {
  const json::value document = json::parse(SessionOpenApiDocument());
  const json::value& body = document.at_pointer("/paths/~1v1~1sessions~1{session_id}:pay/post/requestBody/content/application~1json/schema");
  CHECK(body.at("properties").as_object().contains("wait_seconds"));
  CHECK_FALSE(body.at("properties").as_object().contains("session_id"));
}

}  // namespace flattone::session::rest
