// sandbox-psp: see README.md. This file only wires.
#include <csignal>
#include <cstdio>

#include <CLI/CLI.hpp>

#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "tools/sandbox-psp/psp.h"

namespace {

struct Settings {
  std::string address = "127.0.0.1";
  uint16_t port = 0;
  uint16_t admin_port = 0;
  std::string certificate, key, state;
  int handler_threads = 32;
  bool cards = false;
};

Settings Parse(int argc, char** argv) {
  Settings settings;
  CLI::App app("A payment service provider that takes no money, for tests and demonstrations");
  app.add_option("--address", settings.address, "IP address to listen on")->envname("FLATTONE_ADDRESS");
  app.add_option("--port", settings.port, "PSP port; 0: the system chooses")->envname("FLATTONE_PORT");
  app.add_option("--admin-port", settings.admin_port, "admin port, plain HTTP on 127.0.0.1; 0: the system chooses")
      ->envname("FLATTONE_ADMIN_PORT");
  app.add_option("--tls-certificate", settings.certificate, "PEM file; without it the PSP speaks plain HTTP")
      ->envname("FLATTONE_TLS_CERTIFICATE");
  app.add_option("--tls-key", settings.key, "PEM file")->envname("FLATTONE_TLS_KEY");
  app.add_option("--state", settings.state, "journal that ledger and keys survive in; without it: memory only")
      ->envname("FLATTONE_STATE");
  app.add_option("--handler-threads", settings.handler_threads, "requests that may be slow or held at once")
      ->check(CLI::Range(1, 1024))->envname("FLATTONE_HANDLER_THREADS");
  app.add_flag("--cards", settings.cards, "print the magic cards and exit");
  app.set_config("--config", "", "TOML or INI file with these options");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  return settings;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "sandbox-psp: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using flattone::http::HttpServer;
  const Settings settings = Parse(argc, argv);
  if (settings.cards) {
    std::fputs(flattone::sandbox::CardsJson().c_str(), stdout);
    return 0;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  flattone::sandbox::Psp psp(flattone::SystemClock(), flattone::SystemRandom());
  if (!settings.state.empty()) {
    if (absl::Status status = psp.ledger().OpenJournal(settings.state); !status.ok()) return Fail(status);
  }
  flattone::http::ServerOptions options;
  options.address = settings.address;
  options.port = settings.port;
  options.tls = {settings.certificate, settings.key};
  options.handler_threads = settings.handler_threads;
  auto server = HttpServer::Start(options, [&psp](flattone::http::Request request, flattone::http::ResponseWriter writer) {
    psp.Handle(std::move(request), std::move(writer));
  });
  if (!server.ok()) return Fail(server.status());
  psp.SetListen([&server](bool on) { return (*server)->Listen(on); });

  flattone::http::ServerOptions admin_options;
  admin_options.port = settings.admin_port;
  admin_options.handler_threads = 2;
  auto admin = HttpServer::Start(admin_options, [&psp](flattone::http::Request request, flattone::http::ResponseWriter writer) {
    psp.HandleAdmin(std::move(request), std::move(writer));
  });
  if (!admin.ok()) return Fail(admin.status());

  std::printf("{\"port\":%u,\"admin_port\":%u}\n", (*server)->port(), (*admin)->port());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  psp.Stop();
  (*server)->Drain(absl::Seconds(2));
  (*admin)->Drain(absl::Seconds(2));
  return 0;
}
