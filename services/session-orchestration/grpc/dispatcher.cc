#include "services/session-orchestration/grpc/dispatcher.h"

#include <cstring>
#include <map>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>

#include "flattone/session/v1/admin.pb.h"
#include "libs/obs/trace.h"
#include "services/session-orchestration/event/event_stream.h"
#include "services/session-orchestration/grpc/method_rules.h"
#include "services/session-orchestration/session/once.h"
#include "services/session-orchestration/store/page.h"

namespace flattone::session {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using MessagePtr = std::unique_ptr<Message>;

// "CreateSession" of "flattone.session.v1.SessionService.CreateSession", "/…" and "…/…" as gRPC writes it too.
std::string NameIn(const std::string& method) {
  const size_t last = method.find_last_of("./");
  return last == std::string::npos ? method : method.substr(last + 1);
}

std::string TextField(const Message& message, const char* name) {
  const FieldDescriptor* field = *name == 0 ? nullptr : message.GetDescriptor()->FindFieldByName(name);
  return field == nullptr || field->is_repeated() || field->cpp_type() != FieldDescriptor::CPPTYPE_STRING ? std::string() : message.GetReflection()->GetString(message, field);
}

// The same bytes for the same request: maps sorted.
std::string HashOf(const Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream out(&bytes);
    google::protobuf::io::CodedOutputStream coded(&out);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return SecretHash(bytes);
}

// A NUL in any text: no database stores it, and nobody means it.
bool HasNul(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  const auto* reflection = message.GetReflection();
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int count = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        const std::string text = field->is_repeated() ? reflection->GetRepeatedString(message, field, i) : reflection->GetString(message, field);
        if (std::memchr(text.data(), 0, text.size()) != nullptr) return true;
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        if (HasNul(field->is_repeated() ? reflection->GetRepeatedMessage(message, field, i) : reflection->GetMessage(message, field))) return true;
      }
    }
  }
  return false;
}

// What the log says of a call; ids only.
struct Told {
  std::string tenant_id, key_id, resource;
  bool change = false;
};

// An id as we make them; what a client typed in its place does not reach the log.
std::string LoggedId(const std::string& text) {
  const size_t underscore = text.find('_');
  bool ours = text.size() == underscore + 27 && underscore <= 5;
  for (char c : text) ours = ours && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
  return ours ? text : std::string();
}

template <typename T>
absl::StatusOr<MessagePtr> Boxed(absl::StatusOr<T> answer) {
  if (!answer.ok()) return answer.status();
  return MessagePtr(new T(*std::move(answer)));
}
// One read transaction's answer.
template <typename Method>
absl::StatusOr<MessagePtr> ReadBoxed(const Domain& domain, const Method& method) {
  MessagePtr answer;
  FT_TRY(domain.db.Read([&](storage::Transaction& tx) -> absl::Status {
    auto boxed = Boxed(method(tx));
    if (boxed.ok()) answer = *std::move(boxed);
    return boxed.status();
  }));
  return answer;
}
template <typename T>
const T& As(const Message& message) { return static_cast<const T&>(message); }

absl::Status Unimplemented(const std::string& name) {
  return Refuse(absl::StatusCode::kUnimplemented, "method_unknown", "no such method" + (name.size() < 64 ? ": " + name : std::string()));
}

absl::StatusOr<v1::ListEventsResponse> EventsAfter(const Domain& domain, const World& world, const std::string& session_id, bool of_session,
                                                   int64_t after, uint32_t page_size) {
  FT_TRY(CheckPageSize(page_size));
  if (after < 0) return InvalidField("after", "is negative", "0 or a sequence number");
  v1::ListEventsResponse response;
  FT_TRY(domain.db.Read([&](storage::Transaction& tx) -> absl::Status {
    response.Clear();
    if (of_session) {
      auto session = LoadSession(tx, world, session_id, Lock::kNo);
      if (!session.ok()) return session.status();
    }
    auto events = of_session ? SessionEvents(tx, world, session_id, after, PageSize(page_size)) : TenantEvents(tx, world, after, PageSize(page_size));
    if (!events.ok()) return events.status();
    response.set_next_after(after);
    for (v1::Event& event : *events) {
      response.set_next_after(of_session ? event.session_sequence() : event.tenant_sequence());
      *response.add_events() = std::move(event);
    }
    return absl::OkStatus();
  }));
  return response;
}

// What a database or a neighbour says of its own trouble (addresses, paths, statements) is for our log: whoever asked
// hears that it failed, and what to do. What carries a detail was written for them; a refusal of a neighbour's that has none
// is about this process, not about who asks.
bool OfOurInside(const absl::Status& status) {
  if (status.ok() || DetailOf(status).has_value()) return false;
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss: return true;
    default: return false;
  }
}

}  // namespace

SessionDispatcher::SessionDispatcher(const Parts& parts)
    : parts_(parts),
      calls_(parts.metrics, "flattone_session_calls_total", "Calls of the public API by method", "method"),
      refusals_(parts.metrics, "flattone_session_refusals_total", "Refused calls of the public API by code", "code") {}

absl::Status SessionDispatcher::ForCaller(const std::string& name, const CallContext& context, const absl::Status& status) {
  if (!OfOurInside(status)) return status;
  parts_.log.Warn(obs::TraceContext::Parse(context.traceparent).value_or(obs::TraceContext()), "call failed inside",
                  {{"method", name}, {"why", status}});
  const bool of_us = status.code() == absl::StatusCode::kPermissionDenied || status.code() == absl::StatusCode::kUnauthenticated;
  return absl::Status(of_us ? absl::StatusCode::kInternal : status.code(),
                      "This could not be answered just now; try again with the same Idempotency-Key, or ask with the trace id.");
}

absl::StatusOr<Caller> SessionDispatcher::Admit(const std::string& name, const Message& request, const CallContext& context) {
  const auto rule = MethodRules().find(name);
  if (rule == MethodRules().end()) return Unimplemented(name);
  if (rule->second.platform && !context.acting_tenant.empty()) {
    return InvalidField("Flattone-Tenant", "is not taken by this method", "left out: the platform itself asks");
  }
  if (HasNul(request)) return InvalidField("request", "has a NUL character", "text without NUL");
  Caller caller;
  FT_TRY(parts_.domain.db.Read([&](storage::Transaction& tx) -> absl::Status {
    auto known = Authenticate(tx, context, parts_.domain.clock.Now());
    if (known.ok()) caller = *std::move(known);
    return known.status();
  }));
  if (!caller.is_agent()) {
    if ((caller.roles & rule->second.roles) != 0) return caller;
    return Refuse(absl::StatusCode::kPermissionDenied, "role_missing", "the API key's roles do not include this method", "use a key with the role");
  }
  const int action = rule->second.agent_action;
  if (action == kNoAgent || (caller.actions & (1u << static_cast<unsigned>(action))) == 0) {
    return Refuse(absl::StatusCode::kPermissionDenied, "action_not_allowed", "the agent token does not include this action", "use a token with the action, or an API key");
  }
  if (TextField(request, "session_id") == caller.session_id) return caller;
  return Refuse(absl::StatusCode::kNotFound, "session_not_found", "no such session");  // as for a session that never was
}

absl::StatusOr<MessagePtr> SessionDispatcher::Call(const std::string& method, const Message& request, const CallContext& context) {
  const std::string name = NameIn(method);
  Told told;
  auto answer = [&]() -> absl::StatusOr<MessagePtr> {
    auto caller = Admit(name, request, context);
    if (!caller.ok()) return caller.status();
    calls_.Add(name);
    const MethodRule& rule = MethodRules().at(name);
    told = {caller->world.tenant_id, caller->key_id, rule.change ? TextField(request, rule.resource) : std::string(), rule.change};
    Change change;
    change.world = caller->world;
    change.actor = caller->actor;
    change.traceparent = context.traceparent;
    if (rule.change) {
      FT_TRY(CheckKey(context.idempotency_key));
      change.once = {caller->world, name, TextField(request, rule.resource), context.idempotency_key, HashOf(request)};
    }
    return Run(name, request, *caller, change);
  }();
  std::string code = "ok";
  if (!answer.ok()) {
    const auto detail = DetailOf(answer.status());
    code = detail.has_value() && !detail->code.empty() ? detail->code : "other";
    refusals_.Add(code);
  }
  if (told.change && answer.ok() && told.resource.empty()) told.resource = TextField(**answer, "id");
  // Reads are counted; what changes something, or fails, can be followed by its trace.
  if (told.change || !answer.ok()) {
    parts_.log.Info(obs::TraceContext::Parse(context.traceparent).value_or(obs::TraceContext()), "call",
                    {{"method", MethodRules().count(name) == 1 ? name : std::string("unknown")}, {"code", code}, {"tenant", told.tenant_id},
                     {"key", told.key_id}, {"resource", LoggedId(told.resource)}});
  }
  if (!answer.ok()) return ForCaller(name, context, answer.status());
  return answer;
}

absl::StatusOr<MessagePtr> SessionDispatcher::Run(const std::string& name, const Message& request, const Caller& caller, const Change& change) {
  if (MethodRules().at(name).platform) return RunPlatform(name, request, caller, change);
  if (name.find("Webhook") != std::string::npos) return RunWebhook(name, request, caller, change);
  if (name.find("Payment") != std::string::npos || name == "Pay") return RunPayment(name, request, caller, change);
  return RunSession(name, request, caller, change);
}

absl::StatusOr<MessagePtr> SessionDispatcher::RunSession(const std::string& name, const Message& request, const Caller& caller, const Change& change) {
  SessionService& sessions = parts_.sessions;
  CaptureService& captures = parts_.captures;
  if (name == "CreateSession") return Boxed(sessions.Create(change, As<v1::CreateSessionRequest>(request)));
  if (name == "GetSession") return Boxed(sessions.Get(caller.world, As<v1::GetSessionRequest>(request)));
  if (name == "ListSessions") return Boxed(sessions.List(caller.world, As<v1::ListSessionsRequest>(request)));
  if (name == "StartCapture") return Boxed(captures.Start(change, As<v1::StartCaptureRequest>(request)));
  if (name == "RestartField") return Boxed(captures.RestartField(change, As<v1::RestartFieldRequest>(request)));
  if (name == "UndoKey") return Boxed(captures.UndoKey(change, As<v1::UndoKeyRequest>(request)));
  if (name == "SubmitField") return Boxed(captures.SubmitField(change, As<v1::SubmitFieldRequest>(request)));
  if (name == "CancelSession") return Boxed(sessions.Cancel(change, As<v1::CancelSessionRequest>(request)));
  if (name == "EndSession") return Boxed(sessions.End(change, As<v1::EndSessionRequest>(request)));
  if (name == "SetIntent") return Boxed(sessions.SetIntent(change, As<v1::SetIntentRequest>(request)));
  if (name == "CreateAgentToken") return Boxed(sessions.CreateAgentToken(change, caller.key_id, As<v1::CreateAgentTokenRequest>(request)));
  if (name == "ListEvents") {
    const auto& list = As<v1::ListEventsRequest>(request);
    return Boxed(EventsAfter(parts_.domain, caller.world, {}, false, list.after(), list.page_size()));
  }
  if (name == "ListSessionEvents") {
    const auto& list = As<v1::ListSessionEventsRequest>(request);
    return Boxed(EventsAfter(parts_.domain, caller.world, list.session_id(), true, list.after(), list.page_size()));
  }
  return Unimplemented(name);
}

absl::StatusOr<MessagePtr> SessionDispatcher::RunPayment(const std::string& name, const Message& request, const Caller& caller, const Change& change) {
  PaymentService& payments = parts_.payments;
  if (name == "Pay") return Boxed(payments.Pay(change, As<v1::PayRequest>(request)));
  if (name == "GetPayment") return Boxed(payments.Get(caller.world, As<v1::GetPaymentRequest>(request)));
  if (name == "ListPayments") return Boxed(payments.List(caller.world, As<v1::ListPaymentsRequest>(request)));
  if (name == "CapturePayment") return Boxed(payments.Capture(change, As<v1::CapturePaymentRequest>(request)));
  if (name == "VoidPayment") return Boxed(payments.Void(change, As<v1::VoidPaymentRequest>(request)));
  if (name == "RefundPayment") return Boxed(payments.Refund(change, As<v1::RefundPaymentRequest>(request)));
  return Unimplemented(name);
}

absl::StatusOr<MessagePtr> SessionDispatcher::RunWebhook(const std::string& name, const Message& request, const Caller& caller, const Change& change) {
  if (parts_.webhooks == nullptr) return Unimplemented(name);
  WebhookApi& api = *parts_.webhooks;
  const Domain& domain = parts_.domain;
  const World& world = caller.world;
  const absl::Time now = domain.clock.Now();
  using Tx = storage::Transaction;
  const auto read = [&](auto method) { return ReadBoxed(domain, method); };
  const auto hide = [](v1::WebhookEndpoint& kept) { kept.clear_secret(); };
  if (name == "GetWebhookEndpoint") return read([&](Tx& tx) { return api.Get(tx, world, As<v1::GetWebhookEndpointRequest>(request)); });
  if (name == "ListWebhookEndpoints") return read([&](Tx& tx) { return api.List(tx, world, As<v1::ListWebhookEndpointsRequest>(request)); });
  if (name == "ListWebhookDeliveries") return read([&](Tx& tx) { return api.ListDeliveries(tx, world, As<v1::ListWebhookDeliveriesRequest>(request)); });
  if (name == "CreateWebhookEndpoint") {
    return Boxed(Once<v1::WebhookEndpoint>(domain, change, [&](Tx& tx) { return api.Create(tx, world, now, As<v1::CreateWebhookEndpointRequest>(request)); }, hide));
  }
  if (name == "UpdateWebhookEndpoint") {
    return Boxed(Once<v1::WebhookEndpoint>(domain, change, [&](Tx& tx) { return api.Update(tx, world, now, As<v1::UpdateWebhookEndpointRequest>(request)); }, hide));
  }
  if (name == "DeleteWebhookEndpoint") {
    return Boxed(Once<v1::DeleteWebhookEndpointResponse>(domain, change, [&](Tx& tx) { return api.Delete(tx, world, As<v1::DeleteWebhookEndpointRequest>(request)); }));
  }
  if (name == "RotateWebhookSecret") {
    return Boxed(Once<v1::WebhookEndpoint>(domain, change, [&](Tx& tx) { return api.RotateSecret(tx, world, now, As<v1::RotateWebhookSecretRequest>(request)); }, hide));
  }
  if (name == "ReplayWebhookDeliveries") {
    return Boxed(Once<v1::ReplayWebhookDeliveriesResponse>(domain, change, [&](Tx& tx) { return api.Replay(tx, world, now, As<v1::ReplayWebhookDeliveriesRequest>(request)); }));
  }
  return Unimplemented(name);
}

absl::StatusOr<MessagePtr> SessionDispatcher::RunPlatform(const std::string& name, const Message& request, const Caller& caller, const Change& change) {
  PlatformStore& store = parts_.platforms;
  const Domain& domain = parts_.domain;
  const World& world = caller.world;
  const std::string& actor = caller.actor;
  using Tx = storage::Transaction;
  const auto read = [&](auto method) { return ReadBoxed(domain, method); };
  const auto suspend = [&](const std::string& tenant_id, bool suspended) {
    return Boxed(Once<v1::Tenant>(domain, change, [&](Tx& tx) { return store.SetSuspended(tx, world, actor, tenant_id, suspended); }));
  };
  if (name == "CreatePlatformTenant") {
    return Boxed(Once<v1::Tenant>(domain, change, [&](Tx& tx) { return store.Create(tx, world, actor, As<v1::CreatePlatformTenantRequest>(request)); }));
  }
  if (name == "GetPlatformTenant") return read([&](Tx& tx) { return store.Get(tx, world, As<v1::GetPlatformTenantRequest>(request)); });
  if (name == "ListPlatformTenants") {
    FT_TRY(CheckPageSize(As<v1::ListPlatformTenantsRequest>(request).page_size()));
    return read([&](Tx& tx) { return store.List(tx, world, As<v1::ListPlatformTenantsRequest>(request)); });
  }
  if (name == "SuspendPlatformTenant") return suspend(As<v1::SuspendPlatformTenantRequest>(request).tenant_id(), true);
  if (name == "ResumePlatformTenant") return suspend(As<v1::ResumePlatformTenantRequest>(request).tenant_id(), false);
  if (name == "CreateTenantApiKey") {
    const auto hide = [](v1::ApiKey& kept) { kept.clear_secret(); };
    return Boxed(Once<v1::ApiKey>(domain, change, [&](Tx& tx) { return store.CreateKey(tx, world, actor, As<v1::CreateTenantApiKeyRequest>(request)); }, hide));
  }
  if (name == "ListTenantApiKeys") {
    FT_TRY(CheckPageSize(As<v1::ListTenantApiKeysRequest>(request).page_size()));
    return read([&](Tx& tx) { return store.ListKeys(tx, world, As<v1::ListTenantApiKeysRequest>(request)); });
  }
  if (name == "RevokeTenantApiKey") {
    return Boxed(Once<v1::ApiKey>(domain, change, [&](Tx& tx) { return store.RevokeKey(tx, world, actor, As<v1::RevokeTenantApiKeyRequest>(request)); }));
  }
  return Unimplemented(name);
}

absl::StatusOr<std::unique_ptr<RpcStream>> SessionDispatcher::OpenStream(const std::string& method, const Message& request,
                                                                         const std::string& last_event_id, const CallContext& context) {
  const std::string name = NameIn(method);
  auto stream = NewStream(name, request, last_event_id, context);
  if (!stream.ok()) return ForCaller(name, context, stream.status());
  return stream;
}

absl::StatusOr<std::unique_ptr<RpcStream>> SessionDispatcher::NewStream(const std::string& name, const Message& request,
                                                                        const std::string& last_event_id, const CallContext& context) {
  auto caller = Admit(name, request, context);
  if (!caller.ok()) return caller.status();
  calls_.Add(name);
  EventStream::Start start;
  start.for_caller = [this, name, context](const absl::Status& status) { return ForCaller(name, context, status); };
  start.world = caller->world;
  start.check = [this, name, context]() { return Admit(name, v1::StreamEventsRequest(), context).status(); };
  if (name == "StreamSessionEvents") {
    const auto& wanted = As<v1::StreamSessionEventsRequest>(request);
    start.session_id = wanted.session_id();
    start.after = wanted.after();
    start.check = [this, name, context, wanted]() { return Admit(name, wanted, context).status(); };
  } else if (name == "StreamEvents") {
    start.after = As<v1::StreamEventsRequest>(request).after();
  } else {
    return Unimplemented(name);
  }
  FT_TRY(ResumeAfter(last_event_id, start.after));
  if (name == "StreamSessionEvents") {
    FT_TRY(parts_.domain.db.Read([&](storage::Transaction& tx) -> absl::Status {
      auto session = LoadSession(tx, caller->world, start.session_id, Lock::kNo);
      if (!session.ok()) return session.status();
      const bool all_told = session->state() == SessionState::kEnded && start.after >= session->last_event;
      return all_told ? absl::OutOfRangeError("the session has ended and everything was told") : absl::OkStatus();
    }));
  }
  parts_.log.Info(obs::TraceContext::Parse(context.traceparent).value_or(obs::TraceContext()), "stream opened",
                  {{"method", name}, {"tenant", caller->world.tenant_id}, {"resource", start.session_id}});
  return std::unique_ptr<RpcStream>(new EventStream(parts_.domain, std::move(start)));
}

}  // namespace flattone::session
