#include "services/session-orchestration/rest/openapi.h"

#include <google/protobuf/descriptor.h>

#include <boost/json.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/session-orchestration/rest/comments.h"
#include "services/session-orchestration/rest/examples.h"

namespace flattone::session::rest {
namespace {

namespace json = boost::json;
namespace pb = google::protobuf;

std::string Ref(const std::string& name) { return "#/components/schemas/" + name; }

// Collects the schemas that paths refer to while they are written.
class Writer {
 public:
  json::object Paths(const Routes& routes);
  json::object TakeSchemas();

 private:
  json::object Operation(const Route& route);
  json::array Parameters(const Route& route);
  void QueryParameters(const Route& route, json::array* out);
  json::object RequestBody(const Route& route);
  json::object Responses(const Route& route);
  json::object FieldSchema(const pb::FieldDescriptor* field);
  json::object ValueSchema(const pb::FieldDescriptor* field);
  json::object MessageSchema(const pb::Descriptor* message, const std::set<std::string>& without);
  std::string Use(const pb::Descriptor* message);
  std::string UseEnum(const pb::EnumDescriptor* type);

  std::map<std::string, json::object> schemas_;
};

void Describe(json::object* schema, const std::string& text) {
  if (!text.empty()) (*schema)["description"] = text;
}

std::string Writer::UseEnum(const pb::EnumDescriptor* type) {
  if (schemas_.count(type->name()) > 0) return Ref(type->name());
  json::array names;
  std::string text = CommentOf(type->full_name());
  for (int i = 0; i < type->value_count(); ++i) {
    names.push_back(json::string(type->value(i)->name()));
    const std::string comment = CommentOf(type->value(i)->full_name());
    if (!comment.empty()) absl::StrAppend(&text, text.empty() ? "" : "\n\n", "`", type->value(i)->name(), "`: ", comment);
  }
  json::object schema{{"type", "string"}, {"enum", names}};
  Describe(&schema, text);
  schemas_[type->name()] = std::move(schema);
  return Ref(type->name());
}

json::object Writer::ValueSchema(const pb::FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return {{"type", "integer"}, {"format", "int32"}, {"minimum", INT32_MIN}, {"maximum", INT32_MAX}};
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return {{"type", "integer"}, {"format", "uint32"}, {"minimum", 0}, {"maximum", UINT32_MAX}};
    case pb::FieldDescriptor::CPPTYPE_INT64:
      // Answers have strings (a JSON number is exact to 2^53 only); requests may have either.
      return {{"type", json::array{"string", "integer"}}, {"format", "int64"}, {"pattern", "^-?[0-9]{1,19}$"},
              {"minimum", INT64_MIN}, {"maximum", INT64_MAX}};
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return {{"type", json::array{"string", "integer"}}, {"format", "uint64"}, {"pattern", "^[0-9]{1,20}$"}, {"minimum", 0},
              {"maximum", UINT64_MAX}};
    case pb::FieldDescriptor::CPPTYPE_BOOL: return {{"type", "boolean"}};
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
    case pb::FieldDescriptor::CPPTYPE_FLOAT: return {{"type", "number"}};
    case pb::FieldDescriptor::CPPTYPE_ENUM: return {{"$ref", UseEnum(field->enum_type())}};
    case pb::FieldDescriptor::CPPTYPE_MESSAGE: return {{"$ref", Use(field->message_type())}};
    case pb::FieldDescriptor::CPPTYPE_STRING:
      if (field->type() == pb::FieldDescriptor::TYPE_BYTES) return {{"type", "string"}, {"contentEncoding", "base64"}};
      return {{"type", "string"}};
  }
  return {};
}

json::object Writer::FieldSchema(const pb::FieldDescriptor* field) {
  json::object schema;
  if (field->is_map()) {
    schema = {{"type", "object"}, {"additionalProperties", ValueSchema(field->message_type()->map_value())}, {"maxProperties", 1000}};
  } else if (field->is_repeated()) {
    schema = {{"type", "array"}, {"items", ValueSchema(field)}, {"maxItems", 1000}};
  } else {
    schema = ValueSchema(field);
  }
  Describe(&schema, CommentOf(field->full_name()));
  return schema;
}

json::object Writer::MessageSchema(const pb::Descriptor* message, const std::set<std::string>& without) {
  json::object properties;
  for (int i = 0; i < message->field_count(); ++i) {
    if (without.count(message->field(i)->name()) == 0) properties[message->field(i)->name()] = FieldSchema(message->field(i));
  }
  json::object schema{{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  Describe(&schema, CommentOf(message->full_name()));
  return schema;
}

std::string Writer::Use(const pb::Descriptor* message) {
  if (schemas_.count(message->name()) == 0) {
    schemas_[message->name()] = {};  // before its fields: messages may contain themselves
    schemas_[message->name()] = MessageSchema(message, {});
  }
  return Ref(message->name());
}

void Writer::QueryParameters(const Route& route, json::array* out) {
  std::set<std::string> taken = {route.body};
  for (const std::string& name : route.path.VariableNames()) taken.insert(name);
  const pb::Descriptor* input = route.method->input_type();
  for (int i = 0; i < input->field_count(); ++i) {
    const pb::FieldDescriptor* field = input->field(i);
    if (taken.count(field->name()) > 0 || field->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    json::object parameter{{"name", field->name()}, {"in", "query"}, {"required", false}};
    Describe(&parameter, CommentOf(field->full_name()));
    json::object schema = ValueSchema(field);
    if (field->is_repeated()) schema = {{"type", "array"}, {"items", schema}};
    parameter["schema"] = std::move(schema);
    out->push_back(std::move(parameter));
  }
}

json::array Writer::Parameters(const Route& route) {
  json::array out;
  for (const std::string& name : route.path.VariableNames()) {
    // Ids hold letters, digits and '_'; anything else is just not found.
    json::object parameter{{"name", name}, {"in", "path"}, {"required", true},
                           {"schema", {{"type", "string"}, {"pattern", "^[a-z]{2,5}_[0-9a-z]{1,40}$"}}}};
    const pb::FieldDescriptor* field = route.method->input_type()->FindFieldByName(name);
    if (field != nullptr) Describe(&parameter, CommentOf(field->full_name()));
    out.push_back(std::move(parameter));
  }
  if (route.body != "*") QueryParameters(route, &out);
  if (route.verb != "GET") {
    out.push_back({{"name", "Idempotency-Key"}, {"in", "header"}, {"required", true},
                   {"description", "The same key with the same request gets the same answer, for 30 days."},
                   {"schema", {{"type", "string"}, {"minLength", 1}, {"maxLength", 255}, {"pattern", "^[!-~]{1,255}$"}}}});
  }
  if (route.method->server_streaming()) {
    out.push_back({{"name", "Last-Event-ID"}, {"in", "header"}, {"required", false},
                   {"description", "The id of the last event that was read: the stream goes on behind it."},
                   {"schema", {{"type", "string"}, {"pattern", "^[0-9]{1,18}$"}}}});
  }
  return out;
}

json::object Writer::RequestBody(const Route& route) {
  json::object schema;
  const pb::Descriptor* input = route.method->input_type();
  if (route.body == "*") {
    std::set<std::string> without;
    for (const std::string& name : route.path.VariableNames()) without.insert(name);
    schema = MessageSchema(input, without);
  } else {
    schema = ValueSchema(input->FindFieldByName(route.body));
  }
  json::object content{{"schema", std::move(schema)}};
  if (const std::string example = ExampleBody(route.method->name()); !example.empty()) content["example"] = json::parse(example);
  return {{"required", route.body != "*"}, {"content", {{"application/json", std::move(content)}}}};
}

json::object Writer::Responses(const Route& route) {
  json::object ok{{"description", "Done."}};
  const std::string answer = Use(route.method->output_type());
  if (route.method->server_streaming()) {
    ok["description"] = "Server-sent events; the data of each is a " + route.method->output_type()->name() + ".";
    ok["content"] = {{"text/event-stream", {{"schema", {{"type", "string"}, {"contentMediaType", "text/event-stream"}}}}}};
  } else {
    ok["content"] = {{"application/json", {{"schema", {{"$ref", answer}}}}}};
  }
  json::object responses{{"200", std::move(ok)}};
  if (route.method->server_streaming() && !route.path.VariableNames().empty()) {
    responses["204"] = {{"description", "Nothing more will come: everything was told before."}};
  }
  responses["default"] = {{"description", "Refused: a problem document."},
                          {"content", {{"application/problem+json", {{"schema", {{"$ref", Ref("Problem")}}}}}}}};
  return responses;
}

json::object Writer::Operation(const Route& route) {
  const std::string comment = CommentOf(route.method->full_name());
  const std::string first = comment.substr(0, comment.find(". "));
  json::object operation{{"operationId", route.method->name()}};
  if (!first.empty()) operation["summary"] = first.back() == '.' ? first.substr(0, first.size() - 1) : first;
  Describe(&operation, comment);
  operation["parameters"] = Parameters(route);
  if (!route.body.empty()) operation["requestBody"] = RequestBody(route);
  operation["responses"] = Responses(route);
  return operation;
}

json::object Writer::Paths(const Routes& routes) {
  std::map<std::string, json::object> by_path;
  for (const Route& route : routes.all()) {
    std::string verb = route.verb;
    for (char& c : verb) c = static_cast<char>(c - 'A' + 'a');
    by_path[route.path.text()][verb] = Operation(route);
  }
  json::object out;
  for (auto& entry : by_path) out[entry.first] = std::move(entry.second);
  return out;
}

json::object Writer::TakeSchemas() {
  const json::object text{{"type", "string"}};
  schemas_["Problem"] = {
      {"type", "object"},
      {"description", "RFC 9457. `code` is stable: branch on it."},
      {"required", json::array{"type", "title", "status", "code", "detail"}},
      {"properties", {{"type", text}, {"title", text}, {"status", {{"type", "integer"}}}, {"code", text}, {"detail", text},
                      {"field", text}, {"limit", text}, {"fix", text}, {"trace_id", text}}}};
  json::object out;
  for (auto& entry : schemas_) out[entry.first] = std::move(entry.second);
  return out;
}

void Print(const json::value& value, const std::string& indent, std::string* out) {
  const std::string deeper = indent + " ";
  if (value.is_object() && !value.as_object().empty()) {
    *out += "{\n";
    bool first = true;
    for (const auto& member : value.as_object()) {
      absl::StrAppend(out, first ? "" : ",\n", deeper, json::serialize(json::string(member.key())), ": ");
      Print(member.value(), deeper, out);
      first = false;
    }
    absl::StrAppend(out, "\n", indent, "}");
  } else if (value.is_array() && !value.as_array().empty() && value.as_array().front().is_object()) {
    *out += "[\n";
    for (size_t i = 0; i < value.as_array().size(); ++i) {
      absl::StrAppend(out, i == 0 ? "" : ",\n", deeper);
      Print(value.as_array()[i], deeper, out);
    }
    absl::StrAppend(out, "\n", indent, "]");
  } else {
    *out += json::serialize(value);
  }
}

}  // namespace

std::string OpenApiDocument(const Routes& routes) {
  Writer writer;
  std::string about = "Card payments by phone: sessions, secure capture, payments, events, webhooks. Every change needs "
                      "Idempotency-Key. A platform's key acts for one of its own tenants with the header Flattone-Tenant "
                      "(not on /v1/tenants). Errors are RFC 9457 problem documents. Requests take field names in snake_case "
                      "and lowerCamelCase and refuse unknown ones; answers may gain fields. 64-bit integers are "
                      "strings in answers.";
  for (const auto* service : PublicServices()) absl::StrAppend(&about, "\n\n", service->name(), ": ", CommentOf(service->full_name()));
  json::object document{
      {"openapi", "3.1.0"},
      {"info", {{"title", "Flattone session API"}, {"version", "v1"},
                {"description", about}}},
      {"servers", json::array{json::object{{"url", "/"}}}},
      {"security", json::array{json::object{{"bearer", json::array{}}}, json::object{{"api_key", json::array{}}},
                               json::object{{"agent_cookie", json::array{}}}}}};
  document["paths"] = writer.Paths(routes);
  document["components"] = {
      {"securitySchemes",
       {{"bearer", {{"type", "http"}, {"scheme", "bearer"}, {"description", "An API key (ft_test_…, ft_live_…) or an agent token (agt_…)."}}},
        {"api_key", {{"type", "apiKey"}, {"in", "header"}, {"name", "X-Api-Key"}}},
        {"agent_cookie", {{"type", "apiKey"}, {"in", "cookie"}, {"name", "flattone_agent"},
                          {"description", "An agent token, for a browser's EventSource."}}}}},
      {"schemas", writer.TakeSchemas()}};
  std::string out;
  Print(document, "", &out);
  return out + "\n";
}

std::string SessionOpenApiDocument() {
  auto routes = Routes::From(PublicServices());
  return routes.ok() ? OpenApiDocument(*routes) : "";
}

}  // namespace flattone::session::rest
