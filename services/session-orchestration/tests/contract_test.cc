// What the contract promises of every method, walked by descriptor: a new method is judged without being named here.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "flattone/session/v1/platform.pb.h"
#include "flattone/session/v1/session.pb.h"
#include "google/api/annotations.pb.h"
#include "services/session-orchestration/tests/fixture.h"

namespace flattone::session {
namespace {

using namespace flattone::session::testing;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;
using storage::testing::Backend;

std::vector<const MethodDescriptor*> MethodsOf(std::initializer_list<const google::protobuf::ServiceDescriptor*> services) {
  std::vector<const MethodDescriptor*> all;
  for (const auto* service : services) {
    REQUIRE(service != nullptr);
    for (int i = 0; i < service->method_count(); ++i) all.push_back(service->method(i));
  }
  return all;
}
std::vector<const MethodDescriptor*> PublicMethods() {
  return MethodsOf({v1::CreateSessionRequest::descriptor()->file()->FindServiceByName("SessionService"),
                    v1::CreatePlatformTenantRequest::descriptor()->file()->FindServiceByName("PlatformService")});
}
std::vector<const MethodDescriptor*> AdminMethods() {
  return MethodsOf({v1::CreateTenantRequest::descriptor()->file()->FindServiceByName("SessionAdminService")});
}

// The REST verb says it: GET changes nothing.
bool Changes(const MethodDescriptor& method) {
  return method.options().GetExtension(google::api::http).pattern_case() != google::api::HttpRule::kGet;
}

std::unique_ptr<Message> Empty(const Descriptor* type) {
  return std::unique_ptr<Message>(google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

// A platform's key of every role: whatever it is refused is not for want of a right.
struct EveryRole : Fixture {
  EveryRole() : Fixture(Backend::kSqlite) {
    v1::CreateTenantRequest request;
    request.mutable_tenant()->set_name("Platform");
    request.mutable_tenant()->set_platform(true);
    secret = NewKey(Must(one->admin.CreateTenant("operator", request)).id(),
                    {v1::API_KEY_ROLE_SESSIONS, v1::API_KEY_ROLE_FINANCE, v1::API_KEY_ROLE_READ, v1::API_KEY_ROLE_PLATFORM});
  }
  std::string Answer(const MethodDescriptor& method, const Message& request, const std::string& idempotency_key) {
    CallContext context;
    context.credential_kind = CallContext::Credential::kBearer;
    context.credential = secret;
    context.idempotency_key = idempotency_key;
    if (method.server_streaming()) return CodeOf(one->dispatcher.OpenStream(method.full_name(), request, {}, context).status());
    return CodeOf(one->dispatcher.Call(method.full_name(), request, context).status());
  }
  std::string secret;
};

bool Has(const Descriptor* type, const char* name, FieldDescriptor::Type wanted) {
  const FieldDescriptor* field = type->FindFieldByName(name);
  return field != nullptr && !field->is_repeated() && field->type() == wanted;
}
bool ByToken(const Descriptor* in, const Descriptor* out) {
  return Has(in, "page_token", FieldDescriptor::TYPE_STRING) && Has(out, "next_page_token", FieldDescriptor::TYPE_STRING);
}
// Numbered without gaps: the last number that was read is the cursor.
bool ByNumber(const Descriptor* in) {
  return Has(in, "after", FieldDescriptor::TYPE_INT64) || Has(in, "after_sequence", FieldDescriptor::TYPE_INT64);
}

}  // namespace

TEST_CASE("every change of the public API asks for an idempotency key, and nothing else does") {
  EveryRole f;
  int changes = 0, reads = 0;
  for (const MethodDescriptor* method : PublicMethods()) {
    CAPTURE(method->full_name());
    const auto request = Empty(method->input_type());
    CHECK((f.Answer(*method, *request, "") == "idempotency_key_required") == Changes(*method));
    CHECK(f.Answer(*method, *request, "key-1") != "idempotency_key_required");
    ++(Changes(*method) ? changes : reads);
  }
  CHECK(changes >= 20);
  CHECK(reads >= 10);
}

TEST_CASE("every list comes in pages: a size, and a token or the number of the last one read") {
  int lists = 0;
  auto methods = PublicMethods();
  for (const MethodDescriptor* method : AdminMethods()) methods.push_back(method);
  for (const MethodDescriptor* method : methods) {
    const std::string& name = method->name();
    if (name.rfind("List", 0) != 0 && name.rfind("AdminList", 0) != 0) continue;
    CAPTURE(name);
    const Descriptor* in = method->input_type();
    if (const FieldDescriptor* list = in->FindFieldByName("list"); list != nullptr) in = list->message_type();  // a list of any tenant's
    CHECK(Has(in, "page_size", FieldDescriptor::TYPE_UINT32));
    CHECK(ByToken(in, method->output_type()) != ByNumber(in));
    ++lists;
  }
  CHECK(lists >= 17);
}

TEST_CASE("a page that is too large, and a token that no list has given, are refused by every public list") {
  EveryRole f;
  for (const MethodDescriptor* method : PublicMethods()) {
    if (method->name().rfind("List", 0) != 0 || method->name().find("Webhook") != std::string::npos) continue;  // webhook/endpoints_test.cc
    CAPTURE(method->full_name());
    const auto request = Empty(method->input_type());
    const FieldDescriptor* size = method->input_type()->FindFieldByName("page_size");
    request->GetReflection()->SetUInt32(request.get(), size, 201);
    CHECK(f.Answer(*method, *request, "") == "invalid_field");
    request->GetReflection()->SetUInt32(request.get(), size, 200);
    const FieldDescriptor* token = method->input_type()->FindFieldByName("page_token");
    if (token != nullptr) {
      request->GetReflection()->SetString(request.get(), token, "!!");
      CHECK(f.Answer(*method, *request, "") == "invalid_field");
    } else {
      request->GetReflection()->SetInt64(request.get(), method->input_type()->FindFieldByName("after"), -1);
      CHECK(f.Answer(*method, *request, "") == "invalid_field");
    }
  }
}

}  // namespace flattone::session
