#include "services/session-orchestration/rest/door.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/obs/trace.h"
#include "services/session-orchestration/rest/bind.h"
#include "services/session-orchestration/rest/openapi.h"
#include "services/session-orchestration/rest/problem.h"
#include "services/session-orchestration/rest/sse.h"

namespace flattone::session::rest {
namespace {

constexpr size_t kMaxCredential = 512;

std::string HeaderText(const http::Request& request, std::string_view name) {
  return std::string(http::FindHeader(request.headers, name).value_or(""));
}

bool IsJson(std::string_view type) {
  std::string_view bare = type.substr(0, type.find(';'));
  while (!bare.empty() && bare.back() == ' ') bare.remove_suffix(1);
  return http::SameName(bare, "application/json");
}

absl::Status CheckHeaders(const http::Request& request, const CallContext& context, bool takes_body) {
  if (takes_body && !request.body.empty()) {
    const std::string type = HeaderText(request, "content-type");
    if (!IsJson(type)) {
      return Refusal(absl::StatusCode::kInvalidArgument,
                     {.code = "unsupported_media_type", .field = "Content-Type", .limit = "application/json", .fix = {}},
                     "the body's Content-Type is not application/json");
    }
  }
  if (context.credential_kind == CallContext::Credential::kAgentCookie && !context.same_site) {
    return Refusal(absl::StatusCode::kPermissionDenied, {.code = "cross_site", .field = {}, .limit = {}, .fix = {}},
                   "a cookie is not taken from another site's page");
  }
  return absl::OkStatus();
}

}  // namespace

CallContext ContextOf(const http::Request& request) {
  CallContext context;
  const std::string authorization = HeaderText(request, "authorization");
  const std::string key = HeaderText(request, "x-api-key");
  const auto cookie = http::FindCookie(request.headers, "flattone_agent");
  if (authorization.size() > 7 && http::SameName(std::string_view(authorization).substr(0, 7), "bearer ")) {
    context.credential_kind = CallContext::Credential::kBearer;
    context.credential = authorization.substr(7);
  } else if (!key.empty()) {
    context.credential_kind = CallContext::Credential::kApiKey;
    context.credential = key;
  } else if (cookie.has_value() && !cookie->empty()) {
    context.credential_kind = CallContext::Credential::kAgentCookie;
    context.credential = std::string(*cookie);
  }
  if (context.credential.size() > kMaxCredential) context.credential.resize(kMaxCredential);
  context.acting_tenant = HeaderText(request, "flattone-tenant");
  context.idempotency_key = HeaderText(request, "idempotency-key");
  context.traceparent = HeaderText(request, "traceparent");
  context.remote_address = request.remote_address;
  const std::string site = HeaderText(request, "sec-fetch-site");
  context.same_site = site.empty() || site == "same-origin" || site == "same-site" || site == "none";
  return context;
}

absl::StatusOr<std::unique_ptr<RestDoor>> RestDoor::Make(DoorOptions options, const std::vector<const google::protobuf::ServiceDescriptor*>& services,
                                                         RpcDispatcher* dispatcher, Random& random, obs::Registry& registry) {
  auto routes = Routes::From(services);
  if (!routes.ok()) return routes.status();
  std::string openapi = OpenApiDocument(*routes);
  return std::unique_ptr<RestDoor>(
      new RestDoor(options, std::move(*routes), dispatcher, random, registry, std::move(openapi)));
}

RestDoor::RestDoor(DoorOptions options, Routes routes, RpcDispatcher* dispatcher, Random& random, obs::Registry& registry,
                   std::string openapi)
    : options_(options), routes_(std::move(routes)), dispatcher_(dispatcher), random_(random), openapi_(std::move(openapi)),
      requests_(registry, "flattone_session_rest_requests_total", "REST requests by method of the contract", "method"),
      refusals_(registry, "flattone_session_rest_refusals_total", "REST refusals by HTTP status", "status"),
      open_(registry, "flattone_session_rest_streams_open", "Server-sent event streams that are open"),
      pool_(options.stream_threads) {}

RestDoor::~RestDoor() = default;

void RestDoor::Handle(http::Request request, http::ResponseWriter writer) {
  CallContext context = ContextOf(request);
  auto trace = obs::TraceContext::Parse(context.traceparent);
  if (!trace.has_value()) trace = obs::TraceContext::New(random_);
  context.traceparent = trace->Traceparent();
  const std::string trace_id = trace->TraceId();
  auto answer = Answer(request, context, &writer, trace_id);
  if (!answer.ok()) {
    http::Response problem = ProblemResponse(answer.status(), trace_id);
    refusals_.Add(std::to_string(problem.status));
    if (problem.status == 405) problem.headers.emplace_back("allow", DetailOf(answer.status())->limit);
    writer.Send(std::move(problem));
  } else if (answer->status != 0) {
    writer.Send(std::move(*answer));
  }
}

// An answer of status 0: the writer is a stream's now.
absl::StatusOr<http::Response> RestDoor::Answer(const http::Request& request, const CallContext& context,
                                                http::ResponseWriter* writer, const std::string& trace_id) {
  auto target = http::ParseTarget(request.target);
  if (!target.has_value()) return InvalidField("path", "is malformed", "a path that begins with '/'");
  if (target->path == "/openapi.json" && request.method == "GET") {
    return http::Response{200, {{"content-type", "application/json"}, {"cache-control", "max-age=300"}}, openapi_};
  }
  auto match = routes_.Find(request.method, target->path);
  if (!match.ok()) return match.status();
  requests_.Add(match->route->method->name());
  if (absl::Status status = CheckHeaders(request, context, !match->route->body.empty()); !status.ok()) return status;
  auto message = BindRequest(*match, target->query, request.body);
  if (!message.ok()) return message.status();
  if (match->route->method->server_streaming()) {
    const absl::Status status = Stream(*match, **message, request, context, writer, trace_id);
    if (absl::IsOutOfRange(status)) return http::Response{204, {{"cache-control", "no-store"}, {"trace-id", trace_id}}, ""};  // an EventSource stops
    if (!status.ok()) return status;
    return http::Response{0, {}, ""};
  }
  auto answer = dispatcher_->Call(match->route->method->full_name(), **message, context);
  if (!answer.ok()) return answer.status();
  auto json = ToJson(**answer);
  if (!json.ok()) return json.status();
  return http::Response{200, {{"content-type", "application/json"}, {"cache-control", "no-store"}, {"trace-id", trace_id}},
                        *json + "\n"};
}

absl::Status RestDoor::Stream(const Routes::Match& match, const google::protobuf::Message& message, const http::Request& request,
                              const CallContext& context, http::ResponseWriter* writer, const std::string& trace_id) {
  if (++streams_ > options_.max_streams) {
    --streams_;
    return Refusal(absl::StatusCode::kUnavailable,
                   {.code = "too_many_streams", .field = {}, .limit = absl::StrCat("at most ", options_.max_streams), .fix = {}},
                   "too many event streams are open");
  }
  auto source = dispatcher_->OpenStream(match.route->method->full_name(), message, HeaderText(request, "last-event-id"), context);
  if (!source.ok()) {
    --streams_;
    return source.status();
  }
  open_.Add(1);
  auto client = writer->Stream(200, {{"content-type", "text/event-stream"}, {"cache-control", "no-store"},
                                     {"x-accel-buffering", "no"}, {"trace-id", trace_id}});
  StartSse(std::move(*source), std::move(client), &pool_, options_.heartbeat, trace_id, [this] {
    --streams_;
    open_.Add(-1);
  });
  return absl::OkStatus();
}

}  // namespace flattone::session::rest
