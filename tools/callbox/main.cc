// call: a call in a box. Wiring only; see README.md.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tools/callbox/scenario.h"
#include "tools/callbox/wav.h"

namespace flattone::call {
namespace {

absl::StatusOr<std::string> Text(const std::string& path) {
  if (path == "-") return std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, " cannot be read"));
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

absl::Status LoadVoice(const std::string& path, std::shared_ptr<const std::vector<int16_t>>& out) {
  if (path.empty()) return absl::OkStatus();
  absl::StatusOr<std::vector<int16_t>> samples = ReadWav(path);
  if (!samples.ok()) return samples.status();
  out = std::make_shared<const std::vector<int16_t>>(std::move(*samples));
  return absl::OkStatus();
}

absl::Status LoadCapture(const std::string& path, int port, std::shared_ptr<const std::vector<Captured>>& out) {
  if (path.empty()) return absl::OkStatus();
  absl::StatusOr<std::vector<Captured>> packets = ReadRtp(path, static_cast<uint16_t>(port));
  if (!packets.ok()) return packets.status();
  out = std::make_shared<const std::vector<Captured>>(std::move(*packets));
  return absl::OkStatus();
}

absl::Status Load(Options& options, Material& material) {
  absl::Status status = LoadVoice(options.caller_wav, material.caller_voice);
  if (status.ok()) status = LoadVoice(options.agent_wav, material.agent_voice);
  if (status.ok()) status = LoadCapture(options.caller_pcap, options.pcap_port, material.caller_capture);
  if (status.ok()) status = LoadCapture(options.agent_pcap, options.pcap_port, material.agent_capture);
  if (!status.ok()) return status;
  if (!options.key_script.empty()) {
    absl::StatusOr<std::string> text = Text(options.key_script);
    if (!text.ok()) return text.status();
    absl::StatusOr<std::vector<KeyPress>> script = ParseKeyScript(*text, options.style);
    if (!script.ok()) return script.status();
    material.script = std::move(*script);
  }
  if (!options.cards.empty()) {
    absl::StatusOr<std::string> text = Text(options.cards);
    if (!text.ok()) return text.status();
    absl::StatusOr<std::vector<Card>> cards = ParseCards(*text);
    if (!cards.ok()) return cards.status();
    material.cards = std::move(*cards);
  }
  if (!options.api.address.empty()) {
    const char* from_environment = std::getenv("FLATTONE_API_KEY");
    absl::StatusOr<std::string> key = options.api_key_file.empty()
                                          ? std::string(from_environment == nullptr ? "" : from_environment)
                                          : Text(options.api_key_file);
    if (!key.ok()) return key.status();
    options.api.api_key = std::string(absl::StripAsciiWhitespace(*key));
    if (options.api.api_key.empty())
      return absl::InvalidArgumentError("--api needs an API key: --api-key-file FILE or FLATTONE_API_KEY");
  }
  if (!options.out.empty()) std::filesystem::create_directories(options.out);
  return absl::OkStatus();
}

// Calls on their own control threads: these sleep nearly always; the sound of all is the engine's.
class Runner {
 public:
  Runner(const Options& options, const Material& material, Engine& engine, MediaClient& relay, SessionClient* api, Report& report)
      : options_(options), material_(material), engine_(engine), relay_(relay), api_(api), report_(report) {}

  void Run() {
    if (options_.control) return RunControlled();
    const auto begin = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    std::atomic<int> next{0};
    for (int worker = 0; worker < std::min(options_.parallel, options_.calls); ++worker)
      threads.emplace_back([&, this] {
        for (int index = next++; index < options_.calls; index = next++) {
          std::this_thread::sleep_until(begin + std::chrono::duration<double>(index / options_.rate));
          One(index);
        }
      });
    for (std::thread& thread : threads) thread.join();
  }

 private:
  void One(int index) {
    PhoneCall call(index, options_, material_, engine_, relay_, report_);
    if (!Place(call)) return;
    if (api_ != nullptr) RunPayment(call, options_, material_, *api_, report_);
    else RunScript(call, options_, material_);
    call.HangUp();
  }
  bool Place(PhoneCall& call) {
    absl::Status status = call.PlaceCall();
    if (status.ok() && options_.protect) status = relay_.Protect(call.reference());
    if (!status.ok()) report_.Error(call.reference(), "place", std::string(status.message()));
    return status.ok();
  }
  void RunControlled() {
    std::vector<std::unique_ptr<PhoneCall>> calls;
    for (int index = 0; index < options_.calls; ++index) {
      calls.push_back(std::make_unique<PhoneCall>(index, options_, material_, engine_, relay_, report_));
      if (!Place(*calls.back())) return;
    }
    RunControl(calls, options_, report_);
  }

  const Options& options_;
  const Material& material_;
  Engine& engine_;
  MediaClient& relay_;
  SessionClient* api_;
  Report& report_;
};

int Main(int argc, char** argv) {
  // A client without a call under way reads its connection only at this interval. gRPC's five seconds are as long as a keep-alive
  // may stay unanswered: the connection of a call that says nothing for half a minute would be given up, and its hang-up fail.
  setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "500", 0);
  Options options = ParseOptions(argc, argv);
  Material material;
  if (absl::Status status = Load(options, material); !status.ok()) {
    std::cerr << "call: " << status.message() << "\n";
    return 2;
  }
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Create(options.host, options.shared_sockets);
  if (!engine.ok()) {
    std::cerr << "call: " << engine.status().message() << "\n";
    return 2;
  }
  Report report;
  MediaClient relay(options.relay);
  std::unique_ptr<SessionClient> api;
  if (!options.api.address.empty()) api = std::make_unique<SessionClient>(options.api);
  Runner(options, material, **engine, relay, api.get(), report).Run();
  const DelayHistogram late = (*engine)->Lateness();
  report.Line("summary", "", absl::StrCat("{\"calls\":", options.calls, ",\"errors\":", report.errors(), ",\"foreign_datagrams\":",
                                          (*engine)->foreign(), ",\"own_lateness_p99_ms\":", late.Quantile(0.99),
                                          ",\"own_lateness_max_ms\":", late.max_ms(), "}"));
  return report.errors() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace flattone::call

int main(int argc, char** argv) { return flattone::call::Main(argc, argv); }
