#include "services/session-orchestration/rest/problem.h"

#include <boost/json.hpp>

#include "libs/base/error.h"

namespace flattone::session::rest {
namespace {

namespace json = boost::json;

// Told as they are; everything else is our own trouble.
bool IsForClients(absl::StatusCode code) {
  return code != absl::StatusCode::kInternal && code != absl::StatusCode::kUnknown && code != absl::StatusCode::kDataLoss;
}

std::string DefaultCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange: return "invalid_argument";
    case absl::StatusCode::kUnauthenticated: return "unauthenticated";
    case absl::StatusCode::kPermissionDenied: return "permission_denied";
    case absl::StatusCode::kNotFound: return "not_found";
    case absl::StatusCode::kAlreadyExists: return "already_exists";
    case absl::StatusCode::kAborted: return "conflict";
    case absl::StatusCode::kFailedPrecondition: return "wrong_state";
    case absl::StatusCode::kResourceExhausted: return "too_many_requests";
    case absl::StatusCode::kUnimplemented: return "not_implemented";
    case absl::StatusCode::kUnavailable: return "unavailable";
    case absl::StatusCode::kDeadlineExceeded: return "deadline_exceeded";
    case absl::StatusCode::kCancelled: return "cancelled";
    default: return "internal";
  }
}

}  // namespace

int HttpStatus(const absl::Status& status) {
  const auto detail = DetailOf(status);
  if (detail.has_value()) {
    if (detail->code == "idempotency_key_reused") return 422;
    if (detail->code == "method_not_allowed") return 405;
    if (detail->code == "unsupported_media_type") return 415;
  }
  switch (status.code()) {
    case absl::StatusCode::kOk: return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange: return 400;
    case absl::StatusCode::kUnauthenticated: return 401;
    case absl::StatusCode::kPermissionDenied: return 403;
    case absl::StatusCode::kNotFound: return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition: return 409;
    case absl::StatusCode::kResourceExhausted: return 429;
    case absl::StatusCode::kCancelled: return 499;
    case absl::StatusCode::kUnimplemented: return 501;
    case absl::StatusCode::kUnavailable: return 503;
    case absl::StatusCode::kDeadlineExceeded: return 504;
    default: return 500;
  }
}

std::string ProblemJson(const absl::Status& status, const std::string& trace_id) {
  const int http_status = HttpStatus(status);
  const auto detail = IsForClients(status.code()) ? DetailOf(status) : std::nullopt;
  const std::string code = detail.has_value() && !detail->code.empty() ? detail->code : DefaultCode(status.code());
  json::object problem{{"type", "urn:flattone:problem:" + code},
                       {"title", std::string(http::ReasonPhrase(http_status))},
                       {"status", http_status},
                       {"code", code}};
  problem["detail"] = IsForClients(status.code()) ? std::string(status.message())
                                                  : std::string("Something went wrong inside; ask with the trace id.");
  if (detail.has_value() && !detail->field.empty()) problem["field"] = detail->field;
  if (detail.has_value() && !detail->limit.empty()) problem["limit"] = detail->limit;
  if (detail.has_value() && !detail->fix.empty()) problem["fix"] = detail->fix;
  if (!trace_id.empty()) problem["trace_id"] = trace_id;
  return json::serialize(problem);
}

http::Response ProblemResponse(const absl::Status& status, const std::string& trace_id) {
  http::Response response{HttpStatus(status), {{"content-type", "application/problem+json"}, {"cache-control", "no-store"}},
                          ProblemJson(status, trace_id) + "\n"};
  if (response.status == 401) response.headers.emplace_back("www-authenticate", "Bearer");
  if (response.status == 503 || response.status == 429) response.headers.emplace_back("retry-after", "1");
  return response;
}

}  // namespace flattone::session::rest
