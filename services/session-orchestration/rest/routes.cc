#include "services/session-orchestration/rest/routes.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "flattone/session/v1/platform.pb.h"
#include "flattone/session/v1/session.pb.h"
#include "google/api/annotations.pb.h"
#include "libs/base/error.h"
#include "services/session-orchestration/rest/bind.h"

namespace flattone::session::rest {
namespace {

namespace pb = google::protobuf;

void VerbAndPath(const google::api::HttpRule& rule, std::string* verb, std::string* path) {
  switch (rule.pattern_case()) {
    case google::api::HttpRule::kGet: *verb = "GET", *path = rule.get(); return;
    case google::api::HttpRule::kPut: *verb = "PUT", *path = rule.put(); return;
    case google::api::HttpRule::kPost: *verb = "POST", *path = rule.post(); return;
    case google::api::HttpRule::kDelete: *verb = "DELETE", *path = rule.delete_(); return;
    case google::api::HttpRule::kPatch: *verb = "PATCH", *path = rule.patch(); return;
    default: return;
  }
}

absl::StatusOr<Route> MakeRoute(const pb::MethodDescriptor* method, const google::api::HttpRule& rule) {
  std::string verb, path;
  VerbAndPath(rule, &verb, &path);
  auto parsed = http::PathTemplate::Parse(path);
  if (!parsed.ok()) return parsed.status();
  for (const std::string& name : parsed->VariableNames()) {
    std::unique_ptr<pb::Message> probe(
        pb::MessageFactory::generated_factory()->GetPrototype(method->input_type())->New());
    if (absl::Status status = BindText(name, "x", probe.get()); !status.ok()) return status;
  }
  if (!rule.body().empty() && rule.body() != "*" && method->input_type()->FindFieldByName(rule.body()) == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(method->full_name(), ": no field ", rule.body(), " for the body"));
  }
  return Route{verb, std::move(*parsed), rule.body(), method};
}

}  // namespace

std::vector<const pb::ServiceDescriptor*> PublicServices() {
  return {v1::CreateSessionRequest::descriptor()->file()->FindServiceByName("SessionService"),
          v1::CreatePlatformTenantRequest::descriptor()->file()->FindServiceByName("PlatformService")};
}

absl::StatusOr<Routes> Routes::From(const std::vector<const pb::ServiceDescriptor*>& services) {
  Routes routes;
  std::set<std::string> taken;
  std::vector<const pb::MethodDescriptor*> methods;
  for (const pb::ServiceDescriptor* service : services) {
    for (int i = 0; i < service->method_count(); ++i) methods.push_back(service->method(i));
  }
  for (const pb::MethodDescriptor* method : methods) {
    if (!method->options().HasExtension(google::api::http)) continue;
    const google::api::HttpRule& rule = method->options().GetExtension(google::api::http);
    std::vector<const google::api::HttpRule*> rules = {&rule};
    for (const auto& more : rule.additional_bindings()) rules.push_back(&more);
    for (const auto* one : rules) {
      auto route = MakeRoute(method, *one);
      if (!route.ok()) return route.status();
      if (!taken.insert(route->verb + " " + route->path.text()).second) {
        return absl::InvalidArgumentError(absl::StrCat("two routes alike: ", route->verb, " ", route->path.text()));
      }
      routes.routes_.push_back(std::move(*route));
    }
  }
  return routes;
}

absl::StatusOr<Routes::Match> Routes::Find(const std::string& verb, const std::string& path) const {
  std::set<std::string> others;
  for (const Route& route : routes_) {
    auto variables = route.path.Match(path);
    if (!variables.has_value()) continue;
    if (route.verb == verb) return Match{&route, std::move(*variables)};
    others.insert(route.verb);
  }
  if (others.empty()) {
    return Refusal(absl::StatusCode::kNotFound, {.code = "no_such_route", .field = {}, .limit = {}, .fix = "see /openapi.json"},
                   "there is nothing at this path");
  }
  return Refusal(absl::StatusCode::kInvalidArgument,
                 {.code = "method_not_allowed", .field = {}, .limit = absl::StrJoin(others, ", "), .fix = {}},
                 absl::StrCat(verb, " is not possible at this path"));
}

absl::StatusOr<std::unique_ptr<pb::Message>> BindRequest(const Routes::Match& match, const std::string& query,
                                                         const std::string& body) {
  const Route& route = *match.route;
  std::unique_ptr<pb::Message> request(
      pb::MessageFactory::generated_factory()->GetPrototype(route.method->input_type())->New());
  std::set<std::string> bound;
  for (const auto& variable : match.variables) {
    if (absl::Status status = BindText(variable.first, variable.second, request.get()); !status.ok()) return status;
    bound.insert(variable.first);
  }
  if (!route.body.empty()) {
    pb::Message* target = request.get();
    std::set<std::string> bound_in_body = bound;
    if (route.body != "*") {
      const pb::FieldDescriptor* field = request->GetDescriptor()->FindFieldByName(route.body);
      target = request->GetReflection()->MutableMessage(request.get(), field);
      bound_in_body.clear();
    }
    if (absl::Status status = BindJson(body.empty() ? "{}" : body, bound_in_body, target); !status.ok()) return status;
  } else if (!body.empty()) {
    return InvalidField("body", "is not taken by this request", "empty");
  }
  auto parameters = http::ParseForm(query);
  if (!parameters.ok()) return parameters.status();
  for (const auto& parameter : *parameters) {
    const pb::FieldDescriptor* field = FindField(request->GetDescriptor(), parameter.first.substr(0, parameter.first.find('.')));
    const bool taken = field != nullptr && (bound.count(field->name()) > 0 || field->name() == route.body);
    if (taken || route.body == "*") {
      return Refusal(absl::StatusCode::kInvalidArgument,
                     {.code = "unknown_field", .field = parameter.first, .limit = {}, .fix = "leave it out, or see /openapi.json"},
                     absl::StrCat(parameter.first, " is not a query parameter of this request"));
    }
    if (absl::Status status = BindText(parameter.first, parameter.second, request.get()); !status.ok()) return status;
  }
  return request;
}

}  // namespace flattone::session::rest
