// The admin calls under /_sandbox/ (README.md).
#include <boost/json.hpp>

#include "tools/sandbox-psp/psp.h"

namespace flattone::sandbox {
namespace {

namespace json = boost::json;

Reply Wrong(std::string_view message) {
  return {400, json::serialize(json::object{{"error", {{"code", "invalid"}, {"message", std::string(message)}}}}) + "\n"};
}
Reply Done() { return {200, "{}\n"}; }

std::optional<json::object> ParseObject(const std::string& body) {
  json::error_code error;
  json::value value = json::parse(body.empty() ? "{}" : body, error);
  if (error || !value.is_object()) return std::nullopt;
  return value.as_object();
}

std::string Text(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? value->as_string().c_str() : "";
}

int64_t Number(const json::object& object, const char* name, int64_t otherwise) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->as_int64() : otherwise;
}

}  // namespace

std::string CardsJson() {
  json::array cards;
  for (const MagicCard& card : MagicCards()) cards.push_back({{"number", WithCheckDigit(card.prefix)}, {"does", card.name}});
  return json::serialize(json::object{{"cards", cards}}) + "\n";
}

Reply Psp::Admin(const http::Request& request, const std::string& path, const http::Fields& query) {
  const bool post = request.method == "POST";
  if (path == "/_sandbox/ledger") {
    std::string payment_id, reference;
    for (const auto& field : query) {
      if (field.first == "payment_id") payment_id = field.second;
      if (field.first == "reference") reference = field.second;
    }
    return {200, ledger_.ToJson(payment_id, reference)};
  }
  if (path == "/_sandbox/cards") return {200, CardsJson()};
  if (path == "/_sandbox/held") return ListHeld();
  if (path == "/_sandbox/faults") {
    if (post) return ArmFault(request.body);
    if (request.method == "DELETE") faults_.Clear();
    return ListFaults();
  }
  if (path == "/_sandbox/requests") {
    std::lock_guard<std::mutex> lock(mutex_);
    json::object counts;
    for (const auto& entry : requests_) counts[entry.first] = entry.second;
    return {200, json::serialize(counts) + "\n"};
  }
  if (!post) return NotFound();
  if (path == "/_sandbox/release") return Release(request.body);
  if (path == "/_sandbox/prune_keys") {
    ledger_.PruneKeys();
    return Done();
  }
  if (path == "/_sandbox/reset") {
    faults_.Clear();
    ledger_.Reset();
    return Done();
  }
  if (path == "/_sandbox/listen") {
    auto body = ParseObject(request.body);
    const json::value* on = body.has_value() ? body->if_contains("on") : nullptr;
    if (on == nullptr || !on->is_bool()) return Wrong("on must be true or false");
    const absl::Status status = listen_ ? listen_(on->as_bool()) : absl::UnimplementedError("no port to open");
    return status.ok() ? Done() : Wrong(std::string(status.message()));
  }
  return NotFound();
}

Reply Psp::ArmFault(const std::string& text) {
  auto body = ParseObject(text);
  if (!body.has_value()) return Wrong("the body must be a JSON object");
  auto kind = ParseFault(Text(*body, "fault"));
  const std::string operation = Text(*body, "operation");
  auto on = ParseOperation(operation.empty() ? "any" : operation);
  if (!kind.has_value()) return Wrong("fault is none of those in README.md");
  if (!on.has_value()) return Wrong("operation is none of those in README.md");
  Fault fault;
  fault.kind = *kind;
  fault.operation = *on;
  fault.ms = Number(*body, "ms", 0);
  fault.count = Number(*body, "count", 1);
  fault.reference = Text(*body, "reference");
  fault.last_four = Text(*body, "last_four");
  faults_.Arm(std::move(fault));
  return Done();
}

Reply Psp::ListFaults() {
  json::array faults;
  for (const Fault& fault : faults_.List()) {
    faults.push_back({{"fault", std::string(FaultName(fault.kind))},
                      {"operation", std::string(OperationName(fault.operation))},
                      {"ms", fault.ms},
                      {"count", fault.count},
                      {"reference", fault.reference},
                      {"last_four", fault.last_four}});
  }
  return {200, json::serialize(json::object{{"faults", faults}}) + "\n"};
}

Reply Psp::ListHeld() {
  std::lock_guard<std::mutex> lock(mutex_);
  json::array held;
  for (const auto& entry : held_) {
    const auto& references = entry.second.references;
    held.push_back({{"id", entry.first},
                    {"operation", entry.second.operation},
                    {"stage", entry.second.stage},
                    {"payment_id", references.empty() ? "" : references.front()},
                    {"reference", references.empty() ? "" : references.back()}});
  }
  return {200, json::serialize(json::object{{"held", held}}) + "\n"};
}

Reply Psp::Release(const std::string& text) {
  auto body = ParseObject(text);
  if (!body.has_value()) return Wrong("the body must be a JSON object");
  const int64_t id = Number(*body, "id", 0);
  const json::value* drop = body->if_contains("drop");
  std::lock_guard<std::mutex> lock(mutex_);
  int64_t released = 0;
  for (auto& entry : held_) {
    if (id != 0 && entry.first != id) continue;
    entry.second.released = true;
    entry.second.drop = drop != nullptr && drop->is_bool() && drop->as_bool();
    ++released;
  }
  changed_.notify_all();
  return {200, json::serialize(json::object{{"released", released}}) + "\n"};
}

}  // namespace flattone::sandbox
