#include "libs/daemon/process.h"

#include <sched.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

#include <boost/json.hpp>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "flattone/vault/v1/vault.grpc.pb.h"
#include "libs/rpc/call.h"
#include "libs/rpc/credentials.h"
#include "libs/rpc/identity.h"
#include "libs/rpc/status.h"
#include "libs/rpc/test_pki.h"
#include "libs/base/error.h"
#include "libs/testing/catch.h"

namespace flattone::daemon {
namespace {

using vault::v1::KeyIntakeService;

// Refuses with a detail; holds WatchCapture-like work open until told.
class Intake final : public KeyIntakeService::Service {
  grpc::Status GetCaptureKey(grpc::ServerContext* context, const vault::v1::GetCaptureKeyRequest*, vault::v1::GetCaptureKeyResponse*) override {
    return rpc::ToGrpc(Refusal(absl::StatusCode::kFailedPrecondition, {.code = "epoch_stale", .fix = "take a new epoch"}, "stale"), context);
  }
};

class Fixture {
 public:
  explicit Fixture(std::string_view identity = rpc::kTokenisationVault) : files(pki.Issue(identity)), ready_path(pki.directory() + "/ready.json") {}

  std::vector<std::string> Arguments() const {
    return {"probe", "--tls-cert", files.certificate, "--tls-key", files.key, "--tls-ca", files.ca, "--grpc-address", "127.0.0.1:0",
            "--metrics-address", "127.0.0.1:0", "--ready-file", ready_path, "--log-file", pki.directory() + "/log", "--shutdown-deadline", "5s"};
  }
  static std::optional<int> Start(Process& process, const std::vector<std::string>& arguments) {
    std::vector<const char*> argv;
    for (const auto& argument : arguments) argv.push_back(argument.c_str());
    return process.Start(static_cast<int>(argv.size()), argv.data());
  }
  std::string Read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(pki.directory() + "/" + name).rdbuf();
    return text.str();
  }
  std::shared_ptr<grpc::Channel> Dial(int port, std::string_view as) {
    return rpc::Connect("127.0.0.1:" + std::to_string(port), {pki.Issue(as), std::string(rpc::kDefaultTrustDomain), std::string(rpc::kTokenisationVault)});
  }

  rpc::TestPki pki;
  rpc::TlsFiles files;
  std::string ready_path;
};

// grpc.health.v1 without its generated code: a request is field 1 (service name), SERVING is the bytes 08 01.
std::string Health(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const std::string request = service.empty() ? "" : std::string("\x0a") + static_cast<char>(service.size()) + service;
  grpc::Slice slice(request);
  grpc::ByteBuffer in(&slice, 1), out;
  auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", in, &queue);
  call->StartCall();
  grpc::Status status;
  call->Finish(&out, &status, nullptr);
  void* tag;
  bool ok;
  queue.Next(&tag, &ok);
  if (!status.ok()) return status.error_message();
  std::vector<grpc::Slice> slices;
  std::string bytes;
  (void)out.Dump(&slices);
  for (const auto& s : slices) bytes.append(reinterpret_cast<const char*>(s.begin()), s.size());
  return bytes == std::string("\x08\x01") ? "SERVING" : "NOT_SERVING";
}

ProcessSpec Vault() { return {.name = "tokenisation-vault", .about = "A vault for this test."}; }

TEST_CASE("A process serves, tells its ports, is ready, drains on SIGTERM and exits 0") {
  Fixture f;
  Process process(Vault());
  REQUIRE_FALSE(Fixture::Start(process, f.Arguments()).has_value());
  Intake intake;
  process.Add<KeyIntakeService>(&intake);
  std::vector<std::string> order;
  std::string before_ready, live, ready, after_drain, live_in_drain;
  absl::Status refusal;
  std::shared_ptr<grpc::Channel> channel;
  std::thread client;
  const int code = process.Run({
      .started = [&] {
        order.push_back("started");
        process.Announce("rest", 12345);
        channel = f.Dial(process.grpc_port(), rpc::kDtmfMasking);
        before_ready = Health(channel, "ready");
        client = std::thread([&] {
          while (f.Read("ready.json").empty()) std::this_thread::yield();
          live = Health(channel, "");
          ready = Health(channel, "flattone.vault.v1.KeyIntakeService");
          grpc::ClientContext context;
          rpc::Prepare(context, {});
          vault::v1::GetCaptureKeyResponse response;
          refusal = rpc::FromGrpc(KeyIntakeService::NewStub(channel)->GetCaptureKey(&context, {}, &response));
          Process::RequestStop();
        });
        return absl::OkStatus();
      },
      .drain = [&](absl::Time deadline) {
        order.push_back("drain");
        CHECK(deadline > absl::Now());
        after_drain = Health(channel, "ready");
        live_in_drain = Health(channel, "");
      },
      .stop = [&] { order.push_back("stop"); }});
  client.join();
  CHECK(code == 0);
  CHECK(order == std::vector<std::string>{"started", "drain", "stop"});
  CHECK((before_ready == "NOT_SERVING" && live == "SERVING" && ready == "SERVING"));
  CHECK((after_drain == "NOT_SERVING" && live_in_drain == "SERVING"));
  REQUIRE(DetailOf(refusal).has_value());
  CHECK((DetailOf(refusal)->code == "epoch_stale" && DetailOf(refusal)->fix == "take a new epoch"));
  const auto announced = boost::json::parse(f.Read("ready.json")).as_object();
  CHECK(announced.at("service") == "tokenisation-vault");
  CHECK(announced.at("ports").at("rest") == 12345);
  CHECK(announced.at("ports").at("grpc") == process.grpc_port());
  CHECK(announced.at("pid") == getpid());
  CHECK(process.metrics().Value("flattone_tls_certificate_end_seconds") > static_cast<double>(absl::ToUnixSeconds(absl::Now())));
  CHECK(process.metrics().Value("flattone_process_ready") == 0);
  CHECK(process.metrics().Value("flattone_process_resident_bytes") > 1e6);
  std::istringstream log(f.Read("log"));
  for (std::string line; std::getline(log, line);) CHECK_NOTHROW(boost::json::parse(line));
}

TEST_CASE("A process whose work must be on time runs in real time, or says that it may not") {
  const int policy = sched_getscheduler(0);
  sched_param before{};
  sched_getparam(0, &before);
  for (const int wanted : {0, 2}) {
    Fixture f;
    ProcessSpec spec = Vault();
    spec.realtime_priority = 1;
    Process process(spec);
    auto arguments = f.Arguments();
    arguments.insert(arguments.end(), {"--realtime-priority", std::to_string(wanted)});
    REQUIRE_FALSE(Fixture::Start(process, arguments).has_value());
    sched_param now{};
    sched_getparam(0, &now);
    const bool taken = sched_getscheduler(0) == SCHED_RR;
    sched_setscheduler(0, policy, &before);
    CHECK(process.metrics().Value("flattone_process_realtime_priority") == now.sched_priority);
    process.log().Flush();
    const bool said = f.Read("log").find("does not run in real time") != std::string::npos;
    CHECK(said == (wanted != 0 && !taken));
    CHECK(now.sched_priority == (taken ? wanted : before.sched_priority));
    if (wanted == 0) CHECK_FALSE(taken);
  }
  Fixture f;
  Process like_others(Vault());
  auto arguments = f.Arguments();
  arguments.insert(arguments.end(), {"--realtime-priority", "1"});
  CHECK(Fixture::Start(like_others, arguments) == 2);
}

TEST_CASE("The public listener serves no internal method, the internal one no public method") {
  Fixture f;
  const rpc::TlsFiles server = f.pki.IssueUri("");
  ProcessSpec spec = Vault();
  spec.public_port = 0;
  Process process(spec);
  auto arguments = f.Arguments();
  arguments.insert(arguments.end(), {"--public-grpc-address", "127.0.0.1:0", "--public-tls-cert", server.certificate, "--public-tls-key", server.key});
  REQUIRE_FALSE(Fixture::Start(process, arguments).has_value());
  Intake intake, public_one;  // any contract will do: what counts is where it is registered
  process.AddPublic<KeyIntakeService>(&public_one);
  grpc::StatusCode over_public{}, over_internal{};
  process.Run({.started = [&] {
    grpc::SslCredentialsOptions ssl;
    std::ostringstream ca;
    ca << std::ifstream(server.ca).rdbuf();
    ssl.pem_root_certs = ca.str();
    auto ask = [](const std::shared_ptr<grpc::Channel>& channel, auto make) {
      grpc::ClientContext context;
      rpc::Prepare(context, {});
      return make(channel, context);
    };
    over_public = ask(grpc::CreateChannel("127.0.0.1:" + std::to_string(process.public_port()), grpc::SslCredentials(ssl)),
                      [](auto channel, auto& context) {
                        vault::v1::OpenCardResponse response;
                        return vault::v1::CardReleaseService::NewStub(channel)->OpenCard(&context, {}, &response).error_code();
                      });
    over_internal = ask(f.Dial(process.grpc_port(), rpc::kDtmfMasking), [](auto channel, auto& context) {
      vault::v1::GetCaptureKeyResponse response;
      return KeyIntakeService::NewStub(channel)->GetCaptureKey(&context, {}, &response).error_code();
    });
    Process::RequestStop();
    return absl::OkStatus();
  }});
  CHECK(over_public == grpc::StatusCode::UNIMPLEMENTED);
  CHECK(over_internal == grpc::StatusCode::UNIMPLEMENTED);  // let in by the table, but not served there
}

TEST_CASE("Another service's certificate, an occupied port and a failing start end the process with a reason") {
  Fixture other(rpc::kGatewayAdapter);
  {
    Process process(Vault());
    CHECK(Fixture::Start(process, other.Arguments()) == 2);
  }
  Fixture f;
  Process first(Vault());
  REQUIRE_FALSE(Fixture::Start(first, f.Arguments()).has_value());
  CHECK(first.Run({.started = [&] {
    Process second(Vault());
    auto arguments = f.Arguments();
    arguments[8] = "127.0.0.1:" + std::to_string(first.grpc_port());
    REQUIRE_FALSE(Fixture::Start(second, arguments).has_value());
    CHECK(second.Run() == 1);
    return absl::UnavailableError("no database");
  }}) == 1);
  CHECK(f.Read("log").find("UNAVAILABLE: no database") != std::string::npos);
  CHECK(f.Read("log").find("grpc-address") != std::string::npos);
}

TEST_CASE("A process that cannot be hardened is told so by its hook") {
  ProcessSpec spec = Vault();
  static int called = 0;
  spec.harden = [] {
    ++called;
    return absl::OkStatus();
  };
  Process process(spec);
  CHECK(called == 1);
}

}  // namespace
}  // namespace flattone::daemon
