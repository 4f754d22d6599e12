// Every RPC of the table, streams included, with every identity, over real mTLS: a generic server answers
// whatever the access check lets through.
#include "libs/rpc/access.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "libs/rpc/credentials.h"
#include "libs/rpc/identity_table.h"
#include "libs/rpc/test_pki.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::rpc {
namespace {

class AnswerAll final : public grpc::CallbackGenericService {
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    Reactor() { Finish(grpc::Status(grpc::StatusCode::ALREADY_EXISTS, "let through")); }
    void OnDone() override { delete this; }
  };
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override { return new Reactor; }
};

grpc::StatusCode Ask(const std::shared_ptr<grpc::Channel>& channel, const std::string& method) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  auto call = stub.PrepareCall(&context, method, &queue);
  grpc::Status status;
  void* tag = nullptr;
  bool ok = false;
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  return status.error_code();
}

TEST_CASE("Every RPC with every identity over the wire: the table decides, refusals are counted") {
  TestPki pki;
  testing::FakeClock clock;
  obs::Registry registry;
  obs::Logger log({.service = "test"}, clock, registry, [](std::string_view) {});
  AnswerAll everything;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", InternalServerCredentials(pki.Issue(kTokenisationVault), MakeAccessCheck(std::string(kDefaultTrustDomain), registry, log)), &port);
  builder.RegisterCallbackGenericService(&everything);
  auto server = builder.BuildAndStart();
  uint64_t refused = 0;
  for (auto name : KnownIdentities()) {
    const std::string identity = name == kEdge ? "edge/one" : std::string(name);
    auto channel = Connect("127.0.0.1:" + std::to_string(port), {pki.Issue(identity), std::string(kDefaultTrustDomain), std::string(kTokenisationVault)});
    const CallerIdentity caller{std::string(name), name == kEdge ? "one" : ""};
    for (const TableRow& row : IdentityTable()) {
      INFO(identity << " calls " << row.method);
      const auto code = Ask(channel, std::string(row.method));
      if (MayCall(caller, row.method)) {
        CHECK(code == grpc::StatusCode::ALREADY_EXISTS);
      } else {
        CHECK(code == grpc::StatusCode::PERMISSION_DENIED);
        ++refused;
      }
    }
    CHECK(Ask(channel, "/flattone.vault.v1.Unheard/Of") == grpc::StatusCode::PERMISSION_DENIED);
  }
  double counted = 0;
  for (const TableRow& row : IdentityTable()) {
    counted += std::max(0.0, registry.Value("flattone_rpc_refused_total", {{"method", std::string(row.method)}}));
  }
  CHECK(counted == static_cast<double>(refused));
  CHECK(registry.Value("flattone_rpc_refused_total", {{"method", "unknown"}}) == static_cast<double>(KnownIdentities().size()));
  server->Shutdown(std::chrono::system_clock::now());
}

}  // namespace
}  // namespace flattone::rpc
