// The routes that google.api.http annotations describe, and how a request becomes a message of the method.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/http/path_template.h"
#include "libs/http/url.h"

namespace google::protobuf {
class Message;
class MethodDescriptor;
class ServiceDescriptor;
}  // namespace google::protobuf

namespace flattone::session::rest {

struct Route {
  std::string verb;  // GET, POST, PUT, PATCH, DELETE
  http::PathTemplate path;
  std::string body;  // "", "*" or the name of a field
  const google::protobuf::MethodDescriptor* method = nullptr;
};

// The services of the public API: SessionService, PlatformService.
std::vector<const google::protobuf::ServiceDescriptor*> PublicServices();

class Routes {
 public:
  // INVALID_ARGUMENT when an annotation cannot be served: a path or body that names no field, two routes alike.
  static absl::StatusOr<Routes> From(const std::vector<const google::protobuf::ServiceDescriptor*>& services);

  struct Match {
    const Route* route = nullptr;
    http::PathTemplate::Variables variables;
  };
  // NOT_FOUND, or INVALID_ARGUMENT "method_not_allowed" (its limit: the verbs there are).
  absl::StatusOr<Match> Find(const std::string& verb, const std::string& path) const;

  const std::vector<Route>& all() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

// A new message of the method's input type with path, query and body bound.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> BindRequest(const Routes::Match& match, const std::string& query,
                                                                       const std::string& body);

}  // namespace flattone::session::rest
