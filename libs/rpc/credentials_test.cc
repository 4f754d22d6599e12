#include "libs/rpc/credentials.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "flattone/vault/v1/vault.grpc.pb.h"
#include "libs/rpc/access.h"
#include "libs/rpc/call.h"
#include "libs/rpc/identity.h"
#include "libs/rpc/test_pki.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::rpc {
namespace {

// Answers GetCaptureKey and remembers who asked.
class Vault final : public vault::v1::KeyIntakeService::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetCaptureKey(grpc::CallbackServerContext* context, const vault::v1::GetCaptureKeyRequest*,
                                          vault::v1::GetCaptureKeyResponse*) override {
    last = InfoOf(*context, random);
    ++calls;
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  testing::SeededRandom random{1};
  CallInfo last;
  std::atomic<int> calls{0};
};

struct Fixture {
  explicit Fixture(std::string_view server_identity = kTokenisationVault) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0",
                             InternalServerCredentials(pki.Issue(server_identity), MakeAccessCheck(std::string(kDefaultTrustDomain), registry, log)), &port);
    builder.RegisterService(&vault);
    server = builder.BuildAndStart();
    REQUIRE(server != nullptr);
  }
  ~Fixture() { server->Shutdown(std::chrono::system_clock::now()); }

  grpc::Status Call(const TlsFiles& client, const obs::TraceContext& trace = {}) {
    auto channel = Connect("127.0.0.1:" + std::to_string(port), {client, std::string(kDefaultTrustDomain), std::string(kTokenisationVault)});
    grpc::ClientContext context;
    Prepare(context, {.trace = trace, .timeout = absl::Seconds(10)});
    vault::v1::GetCaptureKeyResponse response;
    return vault::v1::KeyIntakeService::NewStub(channel)->GetCaptureKey(&context, {}, &response);
  }

  TestPki pki;
  testing::FakeClock clock;
  obs::Registry registry;
  obs::Logger log{{.service = "test"}, clock, registry, [](std::string_view) {}};
  Vault vault;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

constexpr char kMethod[] = "/flattone.vault.v1.KeyIntakeService/GetCaptureKey";

TEST_CASE("The right identity is let in, known to the handler, with its trace and deadline") {
  Fixture f;
  testing::SeededRandom random(7);
  const auto trace = obs::TraceContext::New(random);
  const auto status = f.Call(f.pki.Issue(kDtmfMasking), trace);
  INFO(status.error_message());
  REQUIRE(status.ok());
  CHECK(f.vault.last.caller.ToString() == "dtmf-masking");
  CHECK(f.vault.last.trace.TraceId() == trace.TraceId());
  CHECK(f.vault.last.deadline < absl::Now() + absl::Seconds(11));
  CHECK(f.registry.Value("flattone_rpc_started_total", {{"method", kMethod}}) == 1);
}

TEST_CASE("Another service, an edge, another trust domain and a certificate with no or two names are refused") {
  Fixture f;
  int refused = 0;
  for (const std::string uri : {"spiffe://flattone.local/media-relay", "spiffe://flattone.local/operator", "spiffe://flattone.local/edge/one",
                                "spiffe://other.domain/dtmf-masking", "", "spiffe://flattone.local/dtmf-masking,URI:spiffe://flattone.local/operator"}) {
    INFO(uri);
    const auto status = f.Call(f.pki.IssueUri(uri));
    CHECK(status.error_code() == grpc::StatusCode::PERMISSION_DENIED);
    CHECK(f.registry.Value("flattone_rpc_refused_total", {{"method", kMethod}}) == ++refused);
  }
  CHECK(f.vault.calls == 0);
}

TEST_CASE("A client refuses a server that holds another service's certificate, in the handshake") {
  Fixture f(kGatewayAdapter);
  const auto status = f.Call(f.pki.Issue(kDtmfMasking));
  CHECK(status.error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK(f.vault.calls == 0);
  CHECK(f.registry.Value("flattone_rpc_started_total", {{"method", kMethod}}) == 0);
}

TEST_CASE("Several replicas: calls go round, and go on when one is gone") {
  Fixture one;
  Vault second_vault;
  int second_port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", InternalServerCredentials(one.pki.Issue(kTokenisationVault), MakeAccessCheck(std::string(kDefaultTrustDomain), one.registry, one.log)), &second_port);
  builder.RegisterService(&second_vault);
  auto second = builder.BuildAndStart();
  auto channel = Connect("127.0.0.1:" + std::to_string(one.port) + ",127.0.0.1:" + std::to_string(second_port),
                         {one.pki.Issue(kDtmfMasking), std::string(kDefaultTrustDomain), std::string(kTokenisationVault)});
  auto stub = vault::v1::KeyIntakeService::NewStub(channel);
  auto call = [&] {
    grpc::ClientContext context;
    Prepare(context, {.timeout = absl::Seconds(10)});
    context.set_wait_for_ready(true);
    vault::v1::GetCaptureKeyResponse response;
    return stub->GetCaptureKey(&context, {}, &response);
  };
  const auto deadline = absl::Now() + absl::Seconds(20);
  while ((one.vault.calls == 0 || second_vault.calls == 0) && absl::Now() < deadline) REQUIRE(call().ok());
  CHECK((one.vault.calls > 0 && second_vault.calls > 0));
  second->Shutdown(std::chrono::system_clock::now());
  const int before = one.vault.calls;
  bool answered = false;
  while (!answered && absl::Now() < deadline) answered = call().ok() && one.vault.calls > before;
  CHECK(answered);
}

TEST_CASE("A client of another authority does not get through the handshake") {
  Fixture f;
  TestPki stranger;
  TlsFiles files = stranger.Issue(kDtmfMasking);
  files.ca = f.pki.directory() + "/ca.pem";
  CHECK(f.Call(files).error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK(f.vault.calls == 0);
}

TEST_CASE("A renewed certificate is used without a restart") {
  Fixture f;
  // The server starts with another service's certificate, so clients refuse it until the right one is put in place.
  TlsFiles files = f.pki.Issue(kGatewayAdapter);
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", InternalServerCredentials(files, MakeAccessCheck(std::string(kDefaultTrustDomain), f.registry, f.log), 1), &port);
  Vault vault;
  builder.RegisterService(&vault);
  auto server = builder.BuildAndStart();
  f.port = port;
  const TlsFiles client = f.pki.Issue(kDtmfMasking);
  REQUIRE_FALSE(f.Call(client).ok());
  const TlsFiles renewed = f.pki.Issue(kTokenisationVault);
  std::filesystem::rename(renewed.key, files.key);
  std::filesystem::rename(renewed.certificate, files.certificate);
  const auto deadline = absl::Now() + absl::Seconds(20);
  bool answered = false;
  while (!answered && absl::Now() < deadline) answered = f.Call(client).ok();
  CHECK(answered);
  CHECK(vault.calls == 1);
  server->Shutdown(std::chrono::system_clock::now());
}

TEST_CASE("Start-up names the file that is wrong") {
  TestPki pki;
  const TlsFiles relay = pki.Issue(kMediaRelay), masker = pki.Issue(kDtmfMasking);
  const std::string uri = IdentityUri(kMediaRelay, kDefaultTrustDomain);
  CHECK(CheckTlsFiles(relay, uri, absl::Now()).ok());
  auto problem = [&](TlsFiles files, absl::Time now = absl::Now()) { return std::string(CheckTlsFiles(files, uri, now).message()); };
  CHECK(absl::AbsDuration(*ExpiryOf(relay.certificate) - absl::Now() - absl::Hours(24)) < absl::Minutes(1));
  CHECK_FALSE(ExpiryOf("/nowhere").ok());
  CHECK(problem(masker).find("is not the certificate of spiffe://flattone.local/media-relay") != std::string::npos);
  CHECK(problem({relay.certificate, masker.key, relay.ca}).find("tls_key") == 0);
  CHECK(problem({relay.certificate, "/nowhere", relay.ca}).find("/nowhere") != std::string::npos);
  CHECK(problem({relay.certificate, relay.key, relay.key}).find("tls_ca") == 0);
  CHECK(problem(relay, absl::Now() + absl::Hours(48)).find("has expired") != std::string::npos);
}

TEST_CASE("A server that comes back after a while is reached by the next caller who waits a moment") {
  Fixture f;
  const std::string address = "127.0.0.1:" + std::to_string(f.port);
  auto channel = Connect(address, {f.pki.Issue(kDtmfMasking), std::string(kDefaultTrustDomain), std::string(kTokenisationVault)});
  CHECK(AwaitReady(*channel, absl::Seconds(10)));
  f.server->Shutdown(std::chrono::system_clock::now());
  f.server.reset();
  while (channel->GetState(false) == GRPC_CHANNEL_READY) std::this_thread::yield();  // until it has heard of it
  // Refused so often that the pauses are as long as they get.
  CHECK_FALSE(AwaitReady(*channel, absl::Milliseconds(2500)));
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, InternalServerCredentials(f.pki.Issue(kTokenisationVault), MakeAccessCheck(std::string(kDefaultTrustDomain), f.registry, f.log)));
  builder.RegisterService(&f.vault);
  f.server = builder.BuildAndStart();
  REQUIRE(f.server != nullptr);
  CHECK(AwaitReady(*channel));
  grpc::ClientContext context;
  Prepare(context, {.timeout = absl::Seconds(10)});
  vault::v1::GetCaptureKeyResponse response;
  CHECK(vault::v1::KeyIntakeService::NewStub(channel)->GetCaptureKey(&context, {}, &response).ok());
}

}  // namespace
}  // namespace flattone::rpc
