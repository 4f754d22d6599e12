#include "services/gateway-adapter/psp/sandbox_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"

extern char** environ;

namespace flattone::gateway::fakes {

namespace json = boost::json;

SandboxProcess::SandboxProcess() {
  const auto files = pki_.Issue("sandbox-psp", {"DNS:localhost", "IP:127.0.0.1"});
  int out[2];
  FT_CHECK(pipe2(out, O_CLOEXEC) == 0, "pipe failed");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  std::string arguments[] = {FLATTONE_SANDBOX_PSP, "--tls-certificate", files.certificate, "--tls-key", files.key,
                             "--port", "0", "--admin-port", "0"};
  char* argv[10] = {};
  for (int i = 0; i < 9; ++i) argv[i] = arguments[i].data();
  FT_CHECK(posix_spawn(&pid_, FLATTONE_SANDBOX_PSP, &actions, nullptr, argv, environ) == 0, "sandbox-psp could not be started");
  posix_spawn_file_actions_destroy(&actions);
  close(out[1]);
  std::string line;
  for (char c = 0; read(out[0], &c, 1) == 1 && c != '\n';) line.push_back(c);
  close(out[0]);
  json::error_code error;
  const json::value ports = json::parse(line, error);
  FT_CHECK(!error && ports.is_object(), "sandbox-psp did not say its ports");
  port_ = static_cast<uint16_t>(ports.at("port").as_int64());
  admin_port_ = static_cast<uint16_t>(ports.at("admin_port").as_int64());
  client_ = std::make_unique<http::HttpClient>(http::ClientOptions{});
}

SandboxProcess::~SandboxProcess() {
  client_.reset();
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

http::Url SandboxProcess::url() const { return {true, "localhost", port_, "/"}; }

json::value SandboxProcess::Talk(const char* method, const std::string& call, const std::string& body) {
  http::ClientRequest request;
  request.method = method;
  request.url = {false, "127.0.0.1", admin_port_, "/_sandbox/" + call};
  request.body = {reinterpret_cast<const uint8_t*>(body.data()), body.size()};
  const http::ClientResult result = client_->Send(request);
  FT_CHECK(result.reach == http::Reach::kAnswered && result.code == 200, "the sandbox's admin port refused");
  json::error_code error;
  return json::parse(result.body, error);
}

json::value SandboxProcess::Admin(const std::string& call, const std::string& body) { return Talk("POST", call, body); }
json::value SandboxProcess::Get(const std::string& call) { return Talk("GET", call, ""); }

void SandboxProcess::Arm(const std::string& fault, const std::string& operation, int ms) {
  Admin("faults", absl::StrCat(R"({"fault":")", fault, R"(","operation":")", operation, R"(","count":1,"ms":)", ms, "}"));
}

int SandboxProcess::Charges(const std::string& payment_id) {
  return static_cast<int>(Get("ledger?payment_id=" + payment_id).at("charges").as_array().size());
}

int SandboxProcess::LiveCharges(const std::string& payment_id) {
  int live = 0;
  const json::value ledger = Get("ledger?payment_id=" + payment_id);
  for (const json::value& charge : ledger.at("charges").as_array()) {
    const auto& state = charge.at("state").as_string();
    if (state == "authorised" || state == "captured") ++live;
  }
  return live;
}

void SandboxProcess::AwaitHeld(size_t count) {
  while (Get("held").at("held").as_array().size() < count) std::this_thread::yield();
}

}  // namespace flattone::gateway::fakes
