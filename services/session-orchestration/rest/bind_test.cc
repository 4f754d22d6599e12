#include "services/session-orchestration/rest/bind.h"

#include "flattone/session/v1/session.pb.h"
#include "libs/base/error.h"
#include "libs/testing/catch.h"

namespace flattone::session::rest {
namespace {

absl::Status Bind(const std::string& json, google::protobuf::Message* message) { return BindJson(json, {}, message); }

}  // namespace

TEST_CASE("JSON fills messages, maps, lists and enums, in both spellings", "[rest]") {
  v1::Session session;
  REQUIRE(Bind(R"({"callReference":"4711","agent":"amal","capture":{"fields":["CARD_FIELD_PAN",2],"card_tries":3},
    "intent":{"order_reference":"A-1","amount":{"amount_minor":"1999","currencyCode":"EUR"},"purpose":"PURPOSE_CHARGE",
    "metadata":{"shop":"7"}},"progress":null})", &session).ok());
  CHECK(session.call_reference() == "4711");
  CHECK(session.capture().fields_size() == 2);
  CHECK(session.capture().fields(1) == flattone::common::v1::CARD_FIELD_EXPIRY);
  CHECK(session.intent().amount().amount_minor() == 1999);
  CHECK(session.intent().purpose() == v1::PURPOSE_CHARGE);
  CHECK(session.intent().metadata().at("shop") == "7");
  CHECK_FALSE(session.has_progress());
}

TEST_CASE("what cannot be bound names the field as it was written", "[rest]") {
  struct Row {
    const char* json;
    const char* field;
    const char* code;
  };
  const Row row = GENERATE(values<Row>({
      {"", "body", "invalid_json"},
      {"{", "body", "invalid_json"},
      {"{'agent':'x'}", "body", "invalid_json"},
      {"[]", "body", "invalid_field"},
      {R"({"agent":1})", "agent", "invalid_field"},
      {R"({"agents":"x"})", "agents", "unknown_field"},
      {R"({"intent":{"amount":{"amount_minor":1.5}}})", "intent.amount.amount_minor", "invalid_field"},
      {R"({"intent":{"amount":{"amount_minor":"12x"}}})", "intent.amount.amount_minor", "invalid_field"},
      {R"({"intent":{"amount":{"amountMinor":true}}})", "intent.amount.amountMinor", "invalid_field"},
      {R"({"intent":{"amount":{"amount_minor":9223372036854775808}}})", "intent.amount.amount_minor", "invalid_field"},
      {R"({"intent":{"amount":[]}})", "intent.amount", "invalid_field"},
      {R"({"intent":{"purpose":"PURPOSE_GIFT"}})", "intent.purpose", "invalid_field"},
      {R"({"intent":{"purpose":77}})", "intent.purpose", "invalid_field"},
      {R"({"intent":{"metadata":{"a":1}}})", "intent.metadata.a", "invalid_field"},
      {R"({"capture":{"card_tries":-1}})", "capture.card_tries", "invalid_field"},
      {R"({"capture":{"card_tries":4294967296}})", "capture.card_tries", "invalid_field"},
      {R"({"capture":{"fields":["CARD_FIELD_PAN","x"]}})", "capture.fields[1]", "invalid_field"},
      {R"({"capture":{"fields":"CARD_FIELD_PAN"}})", "capture.fields", "invalid_field"},
      {R"({"payments":[{"last_four":"1"},{"last_fore":"1"}]})", "payments[1].last_fore", "unknown_field"},
      {R"({"call_reference":"a","callReference":"b"})", "callReference", "invalid_field"},
  }));
  CAPTURE(row.json);
  v1::Session session;
  const absl::Status status = Bind(row.json, &session);
  REQUIRE(status.code() == absl::StatusCode::kInvalidArgument);
  REQUIRE(DetailOf(status).has_value());
  CHECK(DetailOf(status)->field == row.field);
  CHECK(DetailOf(status)->code == row.code);
}

TEST_CASE("an enum's limit lists its values", "[rest]") {
  v1::PaymentIntent intent;
  CHECK(DetailOf(Bind(R"({"purpose":"X"})", &intent))->limit == "one of PURPOSE_CHARGE, PURPOSE_AUTHORISE, PURPOSE_TOKENISE");
}

TEST_CASE("deep nesting ends in an error, not in the stack", "[rest]") {
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "{\"session\":";
  v1::CreateSessionRequest request;
  CHECK(Bind(deep, &request).code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("a body may repeat the path's field, not contradict it", "[rest]") {
  v1::PayRequest request;
  request.set_session_id("ses_1");
  CHECK(BindJson(R"({"session_id":"ses_1","wait_seconds":3})", {"session_id"}, &request).ok());
  CHECK(request.session_id() == "ses_1");
  CHECK(request.wait_seconds() == 3);
  CHECK(DetailOf(BindJson(R"({"session_id":"ses_2"})", {"session_id"}, &request))->field == "session_id");
}

TEST_CASE("text is bound by the field's type, along dots", "[rest]") {
  v1::ListSessionsRequest list;
  CHECK(BindText("page_size", "20", &list).ok());
  CHECK(BindText("state", "SESSION_STATE_READY", &list).ok());
  CHECK(list.page_size() == 20);
  CHECK(list.state() == v1::SESSION_STATE_READY);
  CHECK(DetailOf(BindText("page_size", "20 ", &list))->field == "page_size");
  CHECK(DetailOf(BindText("page_size", "-1", &list))->field == "page_size");
  CHECK(DetailOf(BindText("pages", "1", &list))->code == "unknown_field");
  v1::CreateSessionRequest create;
  CHECK(BindText("session.intent.amount.amountMinor", "5", &create).ok());
  CHECK(create.session().intent().amount().amount_minor() == 5);
  CHECK_FALSE(BindText("session", "5", &create).ok());
  CHECK_FALSE(BindText("session.agent.x", "5", &create).ok());
  CHECK_FALSE(BindText("session.intent.metadata.x", "5", &create).ok());
  CHECK_FALSE(BindText("", "5", &create).ok());
  CHECK_FALSE(BindText(".", "5", &create).ok());
}

TEST_CASE("answers have snake_case names, every field, and exact 64-bit integers", "[rest]") {
  v1::Payment payment;
  payment.mutable_amount()->set_amount_minor(9007199254740993);
  const std::string json = ToJson(payment).value();
  CHECK(json.find("\"amount_minor\":\"9007199254740993\"") != std::string::npos);
  CHECK(json.find("\"last_four\":\"\"") != std::string::npos);
  CHECK(json.find("\"state\":\"PAYMENT_STATE_UNSPECIFIED\"") != std::string::npos);
}

}  // namespace flattone::session::rest
