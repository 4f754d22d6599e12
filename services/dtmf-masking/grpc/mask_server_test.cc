// The masker's server with its real transport: mTLS, a relay's stream in, a vault's key intake out.
#include "services/dtmf-masking/grpc/mask_server.h"

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "flattone/vault/v1/vault.grpc.pb.h"
#include "libs/crypto/capture_key.h"
#include "libs/dsp/dtmf.h"
#include "libs/dsp/g711.h"
#include "libs/rpc/access.h"
#include "libs/rpc/credentials.h"
#include "libs/rpc/identity.h"
#include "libs/rpc/test_pki.h"
#include "libs/secret/secret.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::masking {
namespace {

const std::string kDomain(rpc::kDefaultTrustDomain);

class FakeVault final : public vault::v1::KeyIntakeService::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetCaptureKey(grpc::CallbackServerContext* context, const vault::v1::GetCaptureKeyRequest*,
                                          vault::v1::GetCaptureKeyResponse* response) override {
    response->set_public_key(pair->public_key().data(), 32);
    response->set_first_ordinal(1);
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  grpc::ServerUnaryReactor* SubmitKey(grpc::CallbackServerContext* context, const vault::v1::SubmitKeyRequest* r,
                                      vault::v1::SubmitKeyResponse*) override {
    const std::lock_guard lock(mutex);
    auto* reactor = context->DefaultReactor();
    if (fail-- > 0) {
      reactor->Finish({grpc::StatusCode::UNAVAILABLE, "away"});
      return reactor;
    }
    const auto symbol = crypto::OpenKeyPress(*pair, {r->tenant_id(), r->capture_id(), r->masker_epoch(), r->ordinal(), r->rtp_onset()},
                                             r->sealed_key());
    if (symbol.ok()) keys[r->ordinal()] = symbol->Reveal(secret::ClearCardAccess("a test vault reads keys"));
    reactor->Finish(symbol.ok() ? grpc::Status::OK : grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "not authentic"));
    return reactor;
  }
  std::string Keys() {
    const std::lock_guard lock(mutex);
    std::string all;
    for (const auto& [ordinal, symbol] : keys) all += symbol;
    return all;
  }
  testing::SeededRandom random{3};
  absl::StatusOr<crypto::X25519KeyPair> pair = crypto::X25519KeyPair::Create(random);
  std::mutex mutex;
  std::map<uint64_t, char> keys;
  int fail = 0;
};

struct Fleet {
  Fleet() {
    const auto access = [this] { return rpc::MakeAccessCheck(kDomain, registry, log); };
    grpc::ServerBuilder vault_builder;
    vault_builder.AddListeningPort("127.0.0.1:0", rpc::InternalServerCredentials(pki.Issue(rpc::kTokenisationVault), access()), &vault_port);
    vault_builder.RegisterService(&vault);
    vault_server = vault_builder.BuildAndStart();
    const rpc::TlsFiles own = pki.Issue(rpc::kDtmfMasking);
    masker = std::make_unique<MaskServer>(StreamLimits{}, SystemClock(), SystemRandom(), log, registry, [own](const std::string& address) {
      return rpc::Connect(address, {own, kDomain, std::string(rpc::kTokenisationVault)});
    });
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", rpc::InternalServerCredentials(own, access()), &port);
    builder.RegisterService(masker->service());
    masker->UseQueue(builder.AddCompletionQueue());
    server = builder.BuildAndStart();
    REQUIRE(server != nullptr);
    masker->Start();
  }
  ~Fleet() { Stop(); }
  void Stop() {
    if (server == nullptr) return;
    masker->Drain(absl::Now() + absl::Seconds(2));
    server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
    masker->Stop();
    server.reset();
    vault_server->Shutdown(std::chrono::system_clock::now());
  }
  std::unique_ptr<v1::MaskingService::Stub> Stub(std::string_view identity = rpc::kMediaRelay) {
    return v1::MaskingService::NewStub(rpc::Connect("127.0.0.1:" + std::to_string(port), {pki.Issue(identity), kDomain, std::string(rpc::kDtmfMasking)}));
  }

  rpc::TestPki pki;
  testing::FakeClock clock;
  obs::Registry registry;
  obs::Logger log{{.service = "test"}, clock, registry, [](std::string_view) {}};
  FakeVault vault;
  std::unique_ptr<grpc::Server> vault_server, server;
  std::unique_ptr<MaskServer> masker;
  int vault_port = 0, port = 0;
};

// A relay with one leg.
struct Relay {
  Relay(Fleet& fleet, v1::MaskingService::Stub& stub) : stream(stub.Mask(&context)) {
    v1::MaskRequest request;
    auto* open = request.add_open();
    open->set_leg(1);
    open->set_tenant_id("ten_a");
    open->set_capture_id("cap_b");
    open->set_call_id("call_c");
    open->set_masker_epoch(1);
    open->set_vault_address("127.0.0.1:" + std::to_string(fleet.vault_port));
    open->set_codec(v1::CODEC_PCMU);
    open->set_ptime_ms(20);
    stream->Write(request);
  }
  bool ReadUntil(v1::LegEventKind kind, int count) {
    v1::MaskResponse response;
    while (events[kind] < count && stream->Read(&response)) {
      for (const auto& event : response.events()) ++events[event.kind()];
      for (const auto& frame : response.frames()) {
        frames += 1;
        altered += frame.altered();
      }
    }
    return events[kind] >= count;
  }
  void Play(std::span<const int16_t> sound) {
    for (size_t at = 0; at + 160 <= sound.size(); at += 160) {
      v1::MaskRequest request;
      auto* frame = request.add_frames();
      frame->set_leg(1);
      frame->set_kind(v1::FRAME_KIND_AUDIO);
      frame->set_timestamp(static_cast<uint32_t>(at));
      std::string payload(160, '\0');
      dsp::Encode(dsp::Law::kMu, sound.subspan(at, 160), {reinterpret_cast<uint8_t*>(payload.data()), 160});
      frame->set_payload(payload);
      stream->Write(request);
    }
  }
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<v1::MaskRequest, v1::MaskResponse>> stream;
  std::map<int, int> events;
  int frames = 0, altered = 0;
};

std::vector<int16_t> Typed(std::string_view keys) {
  std::vector<int16_t> sound(8000 * 3);
  dsp::AddKeys(sound, 800, keys, 480, 640);
  return sound;
}

TEST_CASE("keys heard in a relay's stream reach the vault sealed and in order, each frame is answered") {
  Fleet fleet;
  fleet.vault.fail = 2;  // and the masker asks again
  const auto stub = fleet.Stub();
  Relay relay(fleet, *stub);
  REQUIRE(relay.ReadUntil(v1::LEG_EVENT_KIND_OPENED, 1));
  std::thread player([&] { relay.Play(Typed("4929123456789")); });
  CHECK(relay.ReadUntil(v1::LEG_EVENT_KIND_KEY_DELIVERED, 13));
  player.join();
  relay.stream->WritesDone();
  relay.ReadUntil(v1::LEG_EVENT_KIND_FAULT, 1);  // to the end
  CHECK(relay.stream->Finish().ok());
  CHECK(relay.frames == 150);
  CHECK(relay.altered > 13 * 3);
  CHECK(fleet.vault.Keys() == "4929123456789");
  CHECK(fleet.registry.Value("flattone_masking_key_retries_total") == 2);
}

TEST_CASE("only a relay may open a stream") {
  Fleet fleet;
  const auto stub = fleet.Stub(rpc::kSessionOrchestration);
  Relay relay(fleet, *stub);
  CHECK_FALSE(relay.ReadUntil(v1::LEG_EVENT_KIND_OPENED, 1));
  CHECK(relay.stream->Finish().error_code() == grpc::StatusCode::PERMISSION_DENIED);
}

TEST_CASE("a drain ends streams with UNAVAILABLE after their answers") {
  Fleet fleet;
  const auto stub = fleet.Stub();
  Relay relay(fleet, *stub);
  REQUIRE(relay.ReadUntil(v1::LEG_EVENT_KIND_OPENED, 1));
  std::thread stopper([&] { fleet.Stop(); });
  relay.ReadUntil(v1::LEG_EVENT_KIND_FAULT, 1);
  CHECK(relay.stream->Finish().error_code() == grpc::StatusCode::UNAVAILABLE);
  stopper.join();
}

TEST_CASE("a relay that breaks off leaves no leg behind") {
  Fleet fleet;
  const auto stub = fleet.Stub();
  {
    Relay relay(fleet, *stub);
    REQUIRE(relay.ReadUntil(v1::LEG_EVENT_KIND_OPENED, 1));
    CHECK(fleet.registry.Value("flattone_masking_legs_count") == 1);
    relay.context.TryCancel();
    relay.ReadUntil(v1::LEG_EVENT_KIND_FAULT, 1);
    static_cast<void>(relay.stream->Finish());
  }
  fleet.Stop();
  CHECK(fleet.registry.Value("flattone_masking_legs_count") == 0);
  CHECK(fleet.registry.Value("flattone_masking_streams_count") == 0);
}

}  // namespace
}  // namespace flattone::masking
