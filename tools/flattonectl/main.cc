// flattonectl: what an operator does, by the audited admin RPCs of the services; never a database.
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include <CLI/CLI.hpp>
#include <grpcpp/channel.h>

#include "libs/base/clock.h"
#include "libs/base/error.h"
#include "libs/rpc/credentials.h"
#include "libs/rpc/identity.h"
#include "tools/flattonectl/bind.h"
#include "tools/flattonectl/call.h"
#include "tools/flattonectl/commands.h"
#include "tools/flattonectl/output.h"

namespace flattone::ctl {
namespace {

constexpr int kRefused = 1, kUsage = 2, kBroken = 4;

struct Settings {
  std::string session = "127.0.0.1:7005", gateway = "127.0.0.1:7004", vault = "127.0.0.1:7003";
  rpc::TlsFiles tls;
  std::string trust_domain{rpc::kDefaultTrustDomain};
  std::string output = "table";
  double timeout_seconds = 15;
};

void Declare(CLI::App& app, Settings& s) {
  app.set_config("--config", "", "file with these settings")->envname("FLATTONE_CONFIG");
  auto add = [&app](const char* flag, std::string& value, const char* environment, const char* help) {
    return app.add_option(flag, value, help)->envname(environment)->capture_default_str();
  };
  add("--session-address", s.session, "FLATTONE_SESSION_ADDRESS", "session-orchestration, host:port");
  add("--gateway-address", s.gateway, "FLATTONE_GATEWAY_ADDRESS", "gateway-adapter, host:port");
  add("--vault-address", s.vault, "FLATTONE_VAULT_ADDRESS", "tokenisation-vault, host:port");
  add("--tls-cert", s.tls.certificate, "FLATTONE_TLS_CERT", "the operator's certificate, PEM");
  add("--tls-key", s.tls.key, "FLATTONE_TLS_KEY", "its private key, PEM");
  add("--tls-ca", s.tls.ca, "FLATTONE_TLS_CA", "the fleet's certificate authority, PEM");
  add("--trust-domain", s.trust_domain, "FLATTONE_TRUST_DOMAIN", "the fleet's trust domain");
  add("--output", s.output, "FLATTONE_OUTPUT", "table or json")->check(CLI::IsMember({"table", "json"}));
  app.add_option("--timeout", s.timeout_seconds, "seconds to wait for the answer")->check(CLI::Range(0.1, 600.0))->capture_default_str();
  app.require_subcommand(1);
  app.fallthrough();
  app.footer("Secrets are read from files or standard input, never from arguments. Exit status: 0 done, 1 refused or\n"
             "not reached, 2 not understood, 4 the audit chain is broken.");
}

// One command's place on the command line, and what was given there.
struct Entry {
  const Command* command;
  CLI::App* app;
  std::vector<std::vector<std::string>> values;  // by argument
};

void DeclareCommand(CLI::App& root, Entry& entry) {
  const Command& c = *entry.command;
  const auto found = root.get_subcommands([&c](CLI::App* app) { return app->get_name() == c.group; });
  CLI::App* group = found.empty() ? nullptr : found.front();
  if (group == nullptr) {
    group = root.add_subcommand(c.group, c.name);
    group->require_subcommand(1)->fallthrough();
  } else {
    group->description(group->get_description() + ", " + c.name);
  }
  entry.app = group->add_subcommand(c.name, c.help);
  entry.app->fallthrough();
  entry.values.resize(c.arguments.size());
  for (size_t i = 0; i < c.arguments.size(); ++i) {
    const Argument& a = c.arguments[i];
    auto* option = entry.app->add_option("--" + a.flag, entry.values[i], a.help)->expected(1);
    option->multi_option_policy(a.secret ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::Throw);
    if (a.required) option->required();
  }
}

int Fail(const absl::Status& status) {
  std::cerr << "flattonectl: " << absl::StatusCodeToString(status.code()) << ": " << status.message();
  if (auto detail = DetailOf(status)) {
    if (!detail->code.empty()) std::cerr << " [" << detail->code << "]";
    if (!detail->fix.empty()) std::cerr << "; " << detail->fix;
  }
  std::cerr << "\n";
  return status.code() == absl::StatusCode::kInvalidArgument ? kUsage : kRefused;
}

absl::StatusOr<std::unique_ptr<google::protobuf::Message>> Fill(const Entry& entry) {
  auto request = NewRequest(entry.command->method);
  if (!request.ok()) return request;
  for (size_t i = 0; i < entry.values.size(); ++i) {
    const Argument& a = entry.command->arguments[i];
    for (const std::string& value : entry.values[i]) {
      auto status = a.secret ? SetSecretEntry(**request, a.path, a.flag, value) : SetField(**request, a.path, a.flag, value);
      if (!status.ok()) return status;
    }
    // What is not given stays as it is, where the request can say so.
    if (!entry.values[i].empty()) NameInMask(**request, a.path);
  }
  return request;
}

int Run(const Entry& entry, const Settings& s) {
  auto request = Fill(entry);
  if (!request.ok()) return Fail(request.status());
  auto status = rpc::CheckTlsFiles(s.tls, rpc::IdentityUri(rpc::kOperator, s.trust_domain), SystemClock().Now());
  if (!status.ok()) return Fail(status);
  const Target target = entry.command->target;
  const std::string& address = target == Target::kSession ? s.session : target == Target::kGateway ? s.gateway : s.vault;
  const std::string_view server = target == Target::kSession   ? rpc::kSessionOrchestration
                                  : target == Target::kGateway ? rpc::kGatewayAdapter
                                                               : rpc::kTokenisationVault;
  auto channel = rpc::Connect(address, {.tls = s.tls, .trust_domain = s.trust_domain, .server = std::string(server)});
  auto answer = Call(channel, entry.command->method, **request, absl::Seconds(s.timeout_seconds));
  if (!answer.ok()) return Fail(answer.status());
  std::cout << (s.output == "json" ? AsJson(**answer) : AsTable(**answer, *entry.command));
  const auto* intact = (*answer)->GetDescriptor()->FindFieldByName("intact");
  return intact != nullptr && !(*answer)->GetReflection()->GetBool(**answer, intact) ? kBroken : 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Administer a Flattone fleet: tenants, keys, edges, PSP accounts, webhooks, sessions, unknown outcomes, audit.", "flattonectl");
  Settings settings;
  Declare(app, settings);
  std::vector<Entry> entries;
  entries.reserve(Commands().size());
  for (const Command& command : Commands()) {
    entries.push_back({&command, nullptr, {}});
    DeclareCommand(app, entries.back());
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  for (const Entry& entry : entries) {
    if (entry.app->parsed()) return Run(entry, settings);
  }
  return kUsage;
}

}  // namespace
}  // namespace flattone::ctl

int main(int argc, char** argv) {
  setenv("GRPC_VERBOSITY", "NONE", 0);  // what went wrong is said once, by us
  return flattone::ctl::Main(argc, argv);
}
