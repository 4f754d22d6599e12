#include <fstream>
#include <set>

#include <grpcpp/grpcpp.h>

#include "flattone/gateway/v1/gateway.grpc.pb.h"
#include "flattone/session/v1/admin.grpc.pb.h"
#include "flattone/vault/v1/vault.grpc.pb.h"
#include "libs/base/error.h"
#include "libs/rpc/access.h"
#include "libs/rpc/credentials.h"
#include "libs/rpc/identity.h"
#include "libs/rpc/status.h"
#include "libs/rpc/test_pki.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"
#include "tools/flattonectl/bind.h"
#include "tools/flattonectl/call.h"
#include "tools/flattonectl/commands.h"
#include "tools/flattonectl/output.h"

namespace flattone::ctl {
namespace {

using google::protobuf::DescriptorPool;

// Resolves a column or argument path from a message type.
bool Resolves(const google::protobuf::Descriptor* type, const std::string& path) {
  std::string rest = path;
  while (type != nullptr) {
    const size_t dot = rest.find('.');
    const auto* field = type->FindFieldByName(rest.substr(0, dot));
    if (field == nullptr) return false;
    if (dot == std::string::npos) return true;
    type = field->message_type();
    rest = rest.substr(dot + 1);
  }
  return false;
}

TEST_CASE("Every command names a method, fields and columns that exist; every admin method has a command") {
  std::set<std::string> covered, names;
  for (const Command& command : Commands()) {
    INFO(command.group << " " << command.name);
    CHECK(names.insert(command.group + " " + command.name).second);
    REQUIRE(NewRequest(command.method).ok());
    const auto* method = DescriptorPool::generated_pool()->FindMethodByName(command.method);
    covered.insert(command.method);
    for (const Argument& argument : command.arguments) {
      INFO(argument.path);
      CHECK(Resolves(method->input_type(), argument.path));
    }
    const auto* row = method->output_type();
    if (!command.rows.empty()) {
      REQUIRE(row->FindFieldByName(command.rows) != nullptr);
      row = row->FindFieldByName(command.rows)->message_type();
    }
    for (const auto& column : command.columns) {
      INFO(column);
      CHECK(Resolves(row, column));
    }
  }
  for (const char* service : {"flattone.session.v1.SessionAdminService", "flattone.gateway.v1.GatewayAdminService", "flattone.vault.v1.VaultAdminService"}) {
    const auto* found = DescriptorPool::generated_pool()->FindServiceByName(service);
    REQUIRE(found != nullptr);
    for (int i = 0; i < found->method_count(); ++i) {
      INFO(found->method(i)->full_name());
      CHECK(covered.count(found->method(i)->full_name()) == 1);
    }
  }
}

TEST_CASE("Text becomes fields of every kind, and what does not fit is named") {
  session::v1::CreateApiKeyRequest request;
  CHECK(SetField(request, "key.tenant_id", "tenant", "ten_1").ok());
  CHECK(SetField(request, "key.mode", "mode", "LIVE").ok());
  CHECK(SetField(request, "key.roles", "roles", "sessions,read").ok());
  CHECK((request.key().tenant_id() == "ten_1" && request.key().mode() == common::v1::MODE_LIVE && request.key().roles_size() == 2));
  CHECK(SetField(request, "key.mode", "mode", "prod").message() == "--mode is 'prod'; it must be one of test, live");
  session::v1::CreateTenantRequest tenant;
  CHECK(SetField(tenant, "tenant.max_amount_minor", "max-amount", "12x").message().find("--max-amount is '12x'") == 0);
  CHECK(SetField(tenant, "tenant.platform", "platform", "true").ok());
  CHECK(tenant.tenant().platform());
}

TEST_CASE("What is not given to an update is not in its mask; other requests have none") {
  session::v1::UpdateTenantRequest update;
  NameInMask(update, "tenant.id");
  NameInMask(update, "tenant.suspended");
  CHECK(update.update_mask().paths_size() == 1);
  CHECK(update.update_mask().paths(0) == "suspended");
  session::v1::CreateTenantRequest create;
  NameInMask(create, "tenant.name");
  CHECK(create.ByteSizeLong() == 0);
}

TEST_CASE("A credential comes from a file, and never from the argument itself") {
  rpc::TestPki directory;
  const std::string path = directory.directory() + "/secret";
  std::ofstream(path) << "sk_test_abc\n";
  gateway::v1::PutPspAccountRequest request;
  REQUIRE(SetSecretEntry(request, "credentials", "credential", "secret_key=@" + path).ok());
  CHECK(request.credentials().at("secret_key") == "sk_test_abc");
  const auto refused = SetSecretEntry(request, "credentials", "credential", "secret_key=sk_live_oops");
  CHECK_FALSE(refused.ok());
  CHECK(std::string(refused.message()).find("oops") == std::string::npos);
  CHECK_FALSE(SetSecretEntry(request, "credentials", "credential", "secret_key=@/nowhere").ok());
}

TEST_CASE("A table shows rows by column, short enum names and the next page") {
  session::v1::ListApiKeysResponse answer;
  auto* key = answer.add_keys();
  key->set_id("key_1");
  key->set_mode(common::v1::MODE_TEST);
  key->add_roles(session::v1::API_KEY_ROLE_SESSIONS);
  key->add_roles(session::v1::API_KEY_ROLE_READ);
  answer.set_next_page_token("p2");
  Command command;
  command.rows = "keys";
  command.columns = {"id", "mode", "roles", "revoked"};
  CHECK(AsTable(answer, command) == "id     mode  roles          revoked\nkey_1  test  sessions,read  no\nmore: --page-token p2\n");
  CHECK(AsJson(answer).find("\"next_page_token\": \"p2\"") != std::string::npos);
}

class Admin final : public session::v1::SessionAdminService::Service {
  grpc::Status CreateTenant(grpc::ServerContext*, const session::v1::CreateTenantRequest* request, session::v1::Tenant* tenant) override {
    *tenant = request->tenant();
    tenant->set_id("ten_new");
    return grpc::Status::OK;
  }
  grpc::Status GetTenant(grpc::ServerContext* context, const session::v1::GetTenantRequest*, session::v1::Tenant*) override {
    return rpc::ToGrpc(Refusal(absl::StatusCode::kNotFound, {.code = "tenant_unknown", .fix = "list them"}, "no such tenant"), context);
  }
};

TEST_CASE("A command calls its method as operator and gets answer or refusal with its detail") {
  rpc::TestPki pki;
  testing::FakeClock clock;
  obs::Registry registry;
  obs::Logger log({.service = "test"}, clock, registry, [](std::string_view) {});
  Admin admin;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", rpc::InternalServerCredentials(pki.Issue(rpc::kSessionOrchestration),
                                                                         rpc::MakeAccessCheck(std::string(rpc::kDefaultTrustDomain), registry, log)), &port);
  builder.RegisterService(&admin);
  auto server = builder.BuildAndStart();
  auto channel = rpc::Connect("127.0.0.1:" + std::to_string(port),
                              {pki.Issue(rpc::kOperator), std::string(rpc::kDefaultTrustDomain), std::string(rpc::kSessionOrchestration)});
  auto request = NewRequest("flattone.session.v1.SessionAdminService.CreateTenant");
  REQUIRE(SetField(**request, "tenant.name", "name", "Shop").ok());
  auto answer = Call(channel, "flattone.session.v1.SessionAdminService.CreateTenant", **request, absl::Seconds(10));
  INFO(answer.status());
  REQUIRE(answer.ok());
  CHECK(AsJson(**answer).find("ten_new") != std::string::npos);
  auto missing = Call(channel, "flattone.session.v1.SessionAdminService.GetTenant", session::v1::GetTenantRequest(), absl::Seconds(10));
  CHECK(missing.status().code() == absl::StatusCode::kNotFound);
  REQUIRE(DetailOf(missing.status()).has_value());
  CHECK(DetailOf(missing.status())->fix == "list them");
  server->Shutdown(std::chrono::system_clock::now());
}

}  // namespace
}  // namespace flattone::ctl
