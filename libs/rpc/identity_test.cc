#include "libs/rpc/identity.h"

#include <filesystem>
#include <map>
#include <set>

#include <google/protobuf/descriptor.h>

#include "flattone/gateway/v1/gateway.pb.h"
#include "flattone/masking/v1/masking.pb.h"
#include "flattone/media/v1/media.pb.h"
#include "flattone/session/v1/admin.pb.h"
#include "flattone/session/v1/fleet.pb.h"
#include "flattone/session/v1/platform.pb.h"
#include "flattone/session/v1/session.pb.h"
#include "flattone/vault/v1/vault.pb.h"
#include "libs/rpc/identity_table.h"
#include "libs/testing/catch.h"

namespace flattone::rpc {
namespace {

TEST_CASE("Identities are read strictly") {
  auto relay = ParseIdentity("spiffe://flattone.local/media-relay", "flattone.local");
  REQUIRE(relay.has_value());
  CHECK(relay->ToString() == "media-relay");
  auto edge = ParseIdentity("spiffe://flattone.local/edge/acme-1", "flattone.local");
  REQUIRE(edge.has_value());
  CHECK((edge->name == "edge" && edge->edge_id == "acme-1" && edge->ToString() == "edge/acme-1"));
  for (const char* bad : {"", "media-relay", "http://flattone.local/media-relay", "spiffe://other/media-relay", "spiffe://flattone.local",
                          "spiffe://flattone.local/", "spiffe://flattone.local/edge", "spiffe://flattone.local/edge/", "spiffe://flattone.local/edge/a/b",
                          "spiffe://flattone.local/edge/A", "spiffe://flattone.local/nobody", "spiffe://flattone.local/media-relay/x",
                          "spiffe://flattone.local.evil/media-relay", "spiffe://flattone.local/media-relay?x"}) {
    INFO(bad);
    CHECK_FALSE(ParseIdentity(bad, "flattone.local").has_value());
  }
  CHECK(IdentityUri("edge/x", "a.b") == "spiffe://a.b/edge/x");
}

// trust.md's table, written a second time per service, so that a slip in identity_table.cc is seen.
const std::map<std::string, std::set<std::string>>& Expected() {
  static const std::map<std::string, std::set<std::string>> expected = {
      {"flattone.media.v1.MediaService", {"edge"}},
      {"flattone.media.v1.SecureMediaService", {"session-orchestration"}},
      {"flattone.masking.v1.MaskingService", {"media-relay"}},
      {"flattone.vault.v1.CaptureService", {"session-orchestration"}},
      {"flattone.vault.v1.KeyIntakeService", {"dtmf-masking"}},
      {"flattone.vault.v1.CardReleaseService", {"gateway-adapter"}},
      {"flattone.vault.v1.VaultAdminService", {"operator"}},
      {"flattone.gateway.v1.PaymentGatewayService", {"session-orchestration"}},
      {"flattone.gateway.v1.GatewayAdminService", {"operator"}},
      {"flattone.session.v1.FleetService", {"media-relay"}},
      {"flattone.session.v1.SessionAdminService", {"operator"}},
      {"flattone.session.v1.SessionService", {}},
      {"flattone.session.v1.PlatformService", {}},
  };
  return expected;
}

// Every service of every proto file in the tree: a new file that this test does not link fails it.
std::vector<const google::protobuf::ServiceDescriptor*> AllServices() {
  const void* linked[] = {gateway::v1::Attempt::descriptor(), masking::v1::Frame::descriptor(), media::v1::Call::descriptor(),
                          vault::v1::Token::descriptor(), session::v1::CreateTenantRequest::descriptor(),
                          session::v1::RegisterRelayRequest::descriptor(), session::v1::CreateSessionRequest::descriptor(),
                          session::v1::CreatePlatformTenantRequest::descriptor()};
  std::vector<const google::protobuf::ServiceDescriptor*> services;
  REQUIRE(linked[0] != nullptr);
  for (const auto& entry : std::filesystem::recursive_directory_iterator("proto/flattone")) {
    if (entry.path().extension() != ".proto") continue;
    const std::string name = std::filesystem::relative(entry.path(), "proto").string();
    INFO(name);
    const auto* file = google::protobuf::DescriptorPool::generated_pool()->FindFileByName(name);
    REQUIRE(file != nullptr);
    for (int i = 0; i < file->service_count(); ++i) services.push_back(file->service(i));
  }
  return services;
}

CallerIdentity Sample(std::string_view name) { return {std::string(name), name == kEdge ? "one" : ""}; }

TEST_CASE("Every RPC of the contracts has a row, and only its callers may call it") {
  std::set<std::string> methods;
  for (const auto* service : AllServices()) {
    INFO(service->full_name());
    REQUIRE(Expected().count(service->full_name()) == 1);
    const auto& callers = Expected().at(service->full_name());
    for (int i = 0; i < service->method_count(); ++i) {
      const std::string path = "/" + service->full_name() + "/" + service->method(i)->name();
      INFO(path);
      methods.insert(path);
      REQUIRE(IsKnownMethod(path));
      for (auto name : KnownIdentities()) {
        INFO(name);
        CHECK(MayCall(Sample(name), path) == (callers.count(std::string(name)) == 1));
      }
      CHECK_FALSE(MayCall({}, path));
    }
  }
  REQUIRE(methods.size() > 50);
  for (const TableRow& row : IdentityTable()) {
    INFO(row.method);
    CHECK((methods.count(std::string(row.method)) == 1 || row.method.substr(0, 6) == "/grpc."));
  }
}

TEST_CASE("Health and reflection are open to every identity, unknown methods to none") {
  for (auto name : KnownIdentities()) {
    CHECK(MayCall(Sample(name), "/grpc.health.v1.Health/Check"));
    CHECK(MayCall(Sample(name), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"));
    CHECK(MayCall(Sample(name), "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"));
    CHECK_FALSE(MayCall(Sample(name), "/grpc.health.v1.Health/Other"));
    CHECK_FALSE(MayCall(Sample(name), ""));
  }
}

}  // namespace
}  // namespace flattone::rpc
