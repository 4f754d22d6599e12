// The vault behind mTLS, as its callers see it.
#include <grpcpp/grpcpp.h>

#include <future>
#include <thread>

#include "libs/rpc/access.h"
#include "libs/rpc/credentials.h"
#include "libs/rpc/identity.h"
#include "libs/rpc/status.h"
#include "libs/rpc/test_pki.h"
#include "services/tokenisation-vault/grpc/admin_grpc.h"
#include "services/tokenisation-vault/grpc/capture_grpc.h"
#include "services/tokenisation-vault/grpc/convert.h"
#include "services/tokenisation-vault/grpc/intake_grpc.h"
#include "services/tokenisation-vault/grpc/release_grpc.h"
#include "services/tokenisation-vault/service/test_rig.h"

namespace flattone::vault {
namespace {

namespace pb = flattone::common::v1;

struct Fleet {
  explicit Fleet(int replicas = 1) : world(storage::testing::Backend::kSqlite) {
    for (int i = 0; i < replicas; ++i) servers.push_back(std::make_unique<Server>(*this));
  }

  struct Server {
    explicit Server(Fleet& fleet)
        : node(fleet.world, "unknown:0"),
          captures(node.vault->captures(), node.vault->codes(), fleet.world.random, node.log),
          intake(node.vault->captures(), fleet.world.random, node.log),
          release(node.vault->cards(), fleet.world.random, node.log),
          admin(node.vault->cards(), node.vault->codes(), node.vault->tokens(), node.vault->keyring(), node.vault->audit(), fleet.world.random) {
      grpc::ServerBuilder builder;
      int port = 0;
      builder.AddListeningPort("127.0.0.1:0",
                               rpc::InternalServerCredentials(fleet.pki.Issue(rpc::kTokenisationVault),
                                                              rpc::MakeAccessCheck(std::string(rpc::kDefaultTrustDomain), node.metrics, node.log)),
                               &port);
      for (grpc::Service* service : {static_cast<grpc::Service*>(&captures), static_cast<grpc::Service*>(&intake),
                                     static_cast<grpc::Service*>(&release), static_cast<grpc::Service*>(&admin)}) {
        builder.RegisterService(service);
      }
      server = builder.BuildAndStart();
      REQUIRE(server != nullptr);
      address = "127.0.0.1:" + std::to_string(port);
      REQUIRE(node.vault->Serve(address).ok());
    }
    ~Server() { server->Shutdown(std::chrono::system_clock::now()); }

    Node node;
    CaptureGrpcService captures;
    KeyIntakeGrpcService intake;
    CardReleaseGrpcService release;
    AdminGrpcService admin;
    std::unique_ptr<grpc::Server> server;
    std::string address;
  };

  template <typename Contract>
  std::unique_ptr<typename Contract::Stub> As(std::string_view identity, int replica = 0) {
    auto channel = rpc::Connect(servers[static_cast<size_t>(replica)]->address,
                                {pki.Issue(identity), std::string(rpc::kDefaultTrustDomain), std::string(rpc::kTokenisationVault)});
    return Contract::NewStub(channel);
  }

  // Calls with a deadline; the answer's status.
  template <typename Stub, typename Request, typename Response>
  absl::Status Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request,
                    Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return rpc::FromGrpc((stub.*method)(&context, request, response));
  }

  World world;
  rpc::TestPki pki;
  std::vector<std::unique_ptr<Server>> servers;
};

v1::OpenCaptureRequest OpenRequest(const std::string& capture) {
  v1::OpenCaptureRequest request;
  request.set_tenant_id("ten_a");
  request.set_capture_id(capture);
  request.set_session_id("ses_a");
  for (auto field : {pb::CARD_FIELD_PAN, pb::CARD_FIELD_EXPIRY, pb::CARD_FIELD_SECURITY_CODE}) request.mutable_rules()->add_fields()->set_field(field);
  return request;
}

template <typename Request>
Request For(const std::string& capture) {
  Request request;
  request.set_tenant_id("ten_a");
  request.set_capture_id(capture);
  return request;
}

TEST_CASE("one capture over the wire: open, keys, watch, tokenise, release, audit") {
  Fleet fleet;
  auto orchestrator = fleet.As<v1::CaptureService>(rpc::kSessionOrchestration);
  auto masker = fleet.As<v1::KeyIntakeService>(rpc::kDtmfMasking);
  auto adapter = fleet.As<v1::CardReleaseService>(rpc::kGatewayAdapter);
  auto operator_stub = fleet.As<v1::VaultAdminService>(rpc::kOperator);
  using C = v1::CaptureService::Stub;
  using M = v1::KeyIntakeService::Stub;

  v1::OpenCaptureResponse opened;
  REQUIRE(fleet.Call<C>(*orchestrator, &C::OpenCapture, OpenRequest("cap_1"), &opened).ok());
  CHECK(opened.handle().vault_address() == fleet.servers[0]->address);
  CHECK_FALSE(opened.handle().replica_id().empty());
  CHECK(opened.status().state() == v1::CAPTURE_STATE_COLLECTING);
  CHECK(opened.status().current_field() == pb::CARD_FIELD_PAN);

  std::vector<v1::CaptureStatus> seen;
  std::promise<void> watching;
  std::thread watcher([&] {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    auto stream = orchestrator->WatchCapture(&context, For<v1::WatchCaptureRequest>("cap_1"));
    v1::CaptureStatus status;
    while (stream->Read(&status)) {
      seen.push_back(status);
      if (seen.size() == 1) watching.set_value();
    }
    CHECK(stream->Finish().ok());
  });
  watching.get_future().wait();  // a watcher that comes late is told the newest state only

  auto key_request = For<v1::GetCaptureKeyRequest>("cap_1");
  key_request.set_masker_epoch(1);
  v1::GetCaptureKeyResponse key;
  REQUIRE(fleet.Call<M>(*masker, &M::GetCaptureKey, key_request, &key).ok());
  CHECK(key.first_ordinal() == 1);
  const auto public_key = crypto::ParsePublicKey("public_key", key.public_key());
  REQUIRE(public_key.ok());
  uint64_t ordinal = 0;
  for (char symbol : kPan + "1230" "737") {
    auto secret = secret::Secret<char>::Create();
    secret->Update(kTest) = symbol;
    auto press = For<v1::SubmitKeyRequest>("cap_1");
    press.set_masker_epoch(1);
    press.set_ordinal(++ordinal);
    press.set_rtp_onset(777);
    press.set_sealed_key(*crypto::SealKeyPress(fleet.world.random, *public_key, {"ten_a", "cap_1", 1, ordinal, 777}, *secret));
    v1::SubmitKeyResponse taken;
    REQUIRE(fleet.Call<M>(*masker, &M::SubmitKey, press, &taken).ok());
    CHECK(taken.taken());
    CHECK(taken.next_ordinal() == ordinal + 1);
  }
  auto tokenise = For<v1::TokeniseRequest>("cap_1");
  tokenise.set_purpose(v1::TOKEN_PURPOSE_PAYMENT);
  v1::TokeniseResponse token;
  REQUIRE(fleet.Call<C>(*orchestrator, &C::Tokenise, tokenise, &token).ok());
  CHECK(token.token().brand() == pb::CARD_BRAND_MASTERCARD);
  CHECK(token.token().security_code_held());
  CHECK(token.token().vault_address() == fleet.servers[0]->address);
  watcher.join();
  REQUIRE(seen.size() >= 2);
  CHECK(seen.back().state() == v1::CAPTURE_STATE_TOKENISED);
  CHECK(seen.back().fields(0).masked() == "•••• •••• •••• ••••");
  for (size_t i = 1; i < seen.size(); ++i) CHECK(seen[i].revision() > seen[i - 1].revision());
  for (const auto& status : seen) CHECK(status.SerializeAsString().find(kPan.substr(0, 4)) == std::string::npos);

  using R = v1::CardReleaseService::Stub;
  v1::OpenCardRequest open;
  open.set_tenant_id("ten_a");
  open.set_token_id(token.token().token_id());
  open.set_attempt_id("att_1");
  open.set_recipient_key(std::string(crypto::AsText(fleet.servers[0]->node.adapter_key.public_key())));
  open.set_security_code_required(true);
  v1::OpenCardResponse card;
  REQUIRE(fleet.Call<R>(*adapter, &R::OpenCard, open, &card).ok());
  const auto clear = crypto::OpenCard(fleet.servers[0]->node.adapter_key, {"ten_a", open.token_id(), "att_1"}, card.sealed_card());
  REQUIRE(clear.ok());
  CHECK(clear->Reveal(kTest).pan_text() == kPan);
  CHECK(card.last_four() == kPan.substr(12));

  using A = v1::VaultAdminService::Stub;
  v1::ListAuditRecordsResponse records;
  REQUIRE(fleet.Call<A>(*operator_stub, &A::ListAuditRecords, {}, &records).ok());
  REQUIRE(records.records_size() == 2);
  CHECK(records.records(0).action() == "token.create");
  CHECK(records.records(0).actor() == "session-orchestration");
  CHECK(records.records(1).action() == "card.open");
  CHECK(records.records(1).actor() == "gateway-adapter");
  CHECK(records.records(1).origin().find("127.0.0.1") != std::string::npos);
  CHECK(records.records(1).origin().find("att_1") != std::string::npos);
  v1::VerifyAuditResponse verdict;
  REQUIRE(fleet.Call<A>(*operator_stub, &A::VerifyAudit, {}, &verdict).ok());
  CHECK(verdict.intact());
  CHECK(verdict.public_key().size() == 32);
}

TEST_CASE("a capture of another replica is answered with that replica's address, by every service") {
  Fleet fleet(2);
  auto one = fleet.As<v1::CaptureService>(rpc::kSessionOrchestration, 0);
  auto two = fleet.As<v1::CaptureService>(rpc::kSessionOrchestration, 1);
  auto masker = fleet.As<v1::KeyIntakeService>(rpc::kDtmfMasking, 1);
  using C = v1::CaptureService::Stub;
  using M = v1::KeyIntakeService::Stub;
  v1::OpenCaptureResponse opened;
  REQUIRE(fleet.Call<C>(*one, &C::OpenCapture, OpenRequest("cap_1"), &opened).ok());
  const std::string& right = fleet.servers[0]->address;
  auto check = [&](const absl::Status& status) {
    CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
    CHECK(CodeOf(status) == "capture_elsewhere");
    CHECK(DetailOf(status)->fix == right);
  };
  v1::CaptureStatus status;
  check(fleet.Call<C>(*two, &C::GetCapture, For<v1::GetCaptureRequest>("cap_1"), &status));
  check(fleet.Call<C>(*two, &C::CancelCapture, For<v1::CancelCaptureRequest>("cap_1"), &status));
  check(fleet.Call<C>(*two, &C::OpenCapture, OpenRequest("cap_1"), &opened));
  auto key_request = For<v1::GetCaptureKeyRequest>("cap_1");
  key_request.set_masker_epoch(1);
  v1::GetCaptureKeyResponse key;
  check(fleet.Call<M>(*masker, &M::GetCaptureKey, key_request, &key));
  grpc::ClientContext context;
  auto stream = two->WatchCapture(&context, For<v1::WatchCaptureRequest>("cap_1"));
  CHECK_FALSE(stream->Read(&status));
  check(rpc::FromGrpc(stream->Finish()));
}

TEST_CASE("bad requests are refused by field and limit, and wrong identities before any handler") {
  Fleet fleet;
  auto orchestrator = fleet.As<v1::CaptureService>(rpc::kSessionOrchestration);
  using C = v1::CaptureService::Stub;
  v1::OpenCaptureResponse opened;
  auto field_of = [&](const v1::OpenCaptureRequest& request) {
    const auto status = fleet.Call<C>(*orchestrator, &C::OpenCapture, request, &opened);
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    return DetailOf(status)->field;
  };
  auto request = OpenRequest("cap_1");
  request.set_tenant_id("");
  CHECK(field_of(request) == "tenant_id");
  request = OpenRequest("CAP 1");
  CHECK(field_of(request) == "capture_id");
  request = OpenRequest("cap_1");
  request.mutable_rules()->add_fields()->set_field(static_cast<pb::CardField>(99));
  CHECK(field_of(request) == "rules.fields[3].field");
  request = OpenRequest("cap_1");
  request.mutable_rules()->add_accepted_brands(static_cast<pb::CardBrand>(77));
  CHECK(field_of(request) == "rules.accepted_brands[0]");
  request = OpenRequest("cap_1");
  request.mutable_rules()->set_timeout_seconds(4'000'000'000u);
  CHECK(field_of(request) == "rules.timeout_seconds");
  CHECK(fleet.servers[0]->node.vault->registry().live() == 0);

  for (std::string_view wrong : {rpc::kMediaRelay, rpc::kDtmfMasking, rpc::kGatewayAdapter, rpc::kOperator}) {
    auto stub = fleet.As<v1::CaptureService>(wrong);
    CHECK(fleet.Call<C>(*stub, &C::OpenCapture, OpenRequest("cap_1"), &opened).code() == absl::StatusCode::kPermissionDenied);
  }
  CHECK(fleet.servers[0]->node.vault->registry().live() == 0);

  fleet.servers[0]->node.vault->Drain();
  CHECK(CodeOf(fleet.Call<C>(*orchestrator, &C::OpenCapture, OpenRequest("cap_1"), &opened)) == "draining");
}

TEST_CASE("a watcher that leaves is forgotten, and one of a capture that ends hears the end") {
  Fleet fleet;
  auto orchestrator = fleet.As<v1::CaptureService>(rpc::kSessionOrchestration);
  using C = v1::CaptureService::Stub;
  v1::OpenCaptureResponse opened;
  REQUIRE(fleet.Call<C>(*orchestrator, &C::OpenCapture, OpenRequest("cap_1"), &opened).ok());
  v1::CaptureStatus status;
  for (int i = 0; i < 20; ++i) {  // more than may watch at once
    grpc::ClientContext context;
    auto stream = orchestrator->WatchCapture(&context, For<v1::WatchCaptureRequest>("cap_1"));
    REQUIRE(stream->Read(&status));
    context.TryCancel();
    while (stream->Read(&status)) {
    }
    CHECK(stream->Finish().error_code() == grpc::StatusCode::CANCELLED);
  }
  grpc::ClientContext context;
  auto stream = orchestrator->WatchCapture(&context, For<v1::WatchCaptureRequest>("cap_1"));
  REQUIRE(stream->Read(&status));
  REQUIRE(fleet.Call<C>(*orchestrator, &C::CancelCapture, For<v1::CancelCaptureRequest>("cap_1"), &status).ok());
  REQUIRE(stream->Read(&status));
  CHECK(status.state() == v1::CAPTURE_STATE_CANCELLED);
  CHECK_FALSE(stream->Read(&status));
  CHECK(stream->Finish().ok());
}

}  // namespace
}  // namespace flattone::vault
