// gateway-adapter: wiring only.
#include <cstdio>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/crypto/file_key_store.h"
#include "libs/daemon/process.h"
#include "libs/http/client.h"
#include "libs/secret/arena.h"
#include "libs/secret/hardening.h"
#include "libs/storage/canary.h"
#include "services/gateway-adapter/attempt/schema.h"
#include "services/gateway-adapter/grpc/admin_service.h"
#include "services/gateway-adapter/grpc/payment_service.h"
#include "services/gateway-adapter/grpc/vault_cards.h"
#include "services/gateway-adapter/psp/sandbox.h"
#include "services/gateway-adapter/psp/stripe.h"
#include "services/gateway-adapter/resolve/resolver.h"

namespace flattone::gateway {
namespace {

struct Config {
  std::string database = "sqlite:gateway-adapter.db";
  int database_sessions = 8;
  std::string key_file = "gateway-adapter.key";
  bool key_file_create = false;
  std::string vault_address = "127.0.0.1:7003";
  std::vector<std::string> psps;
  std::vector<std::string> test_psps = {"sandbox", "sandbox-stripe"};
  std::string psp_ca;
  PspTimes times;
  int max_in_flight = 128;
  int64_t locked_bytes = 2 << 20;
  absl::Duration lease = absl::Seconds(10);
  bool allow_test_gates = false;
  std::string test_gates;

  void Declare(daemon::Flags& flags) {
    flags.Group("Storage");
    flags.Hidden("database", &database, "sqlite:/path/file.db or postgresql://user:password@host/database");
    flags.Integer("database-sessions", &database_sessions, 1, 200, "connections to the database");
    flags.Text("key-file", &key_file, "file of the key-encryption key that PSP credentials are sealed under");
    flags.Switch("key-file-create", &key_file_create, "make the key file when it is missing");
    flags.Group("Neighbours");
    flags.Address("vault-address", &vault_address, "host:port of the vault, where an attempt names no replica");
    flags.List("psp", &psps, "PSPs: name=https://host:port; the name is sandbox, stripe or ends with -sandbox or -stripe");
    flags.List("test-psp", &test_psps, "names of the PSPs that test mode reaches; live mode reaches the others only");
    flags.Text("psp-ca", &psp_ca, "PEM that PSP certificates are verified against; empty: the system's");
    flags.Group("Attempts");
    flags.Duration("psp-connect-timeout", &times.connect, absl::Milliseconds(50), absl::Seconds(60), "connecting to a PSP, TLS included");
    flags.Duration("psp-answer-timeout", &times.answer, absl::Milliseconds(100), absl::Minutes(5), "until a PSP begins to answer");
    flags.Duration("psp-total-timeout", &times.total, absl::Milliseconds(100), absl::Minutes(6), "one request to a PSP; keep --shutdown-deadline above it");
    flags.Integer("max-in-flight", &max_in_flight, 1, 4096, "attempts at once; beyond it callers are asked to come back");
    flags.Integer("locked-bytes", &locked_bytes, 64 << 10, int64_t{1} << 30, "locked memory for cards, requests and credentials");
    flags.Duration("lease", &lease, absl::Milliseconds(500), absl::Minutes(5), "after this long without a sign of life a process's attempts are UNKNOWN");
    flags.Group("Tests only");
    flags.Switch("allow-test-gates", &allow_test_gates, "without it --test-gates is refused");
    flags.Text("test-gates", &test_gates, "directory of hold points: attempt_committed, connected, answer_not_committed, orchestrator_not_told");
  }
};

absl::StatusOr<Psps> MakePsps(const Config& config, http::HttpClient& client) {
  Psps psps;
  for (const std::string& text : config.psps) {
    const size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    const bool stripe = name == "stripe" || absl::EndsWith(name, "-stripe"), sandbox = name == "sandbox" || absl::EndsWith(name, "-sandbox");
    if (equals == std::string::npos || (!stripe && !sandbox)) {
      return InvalidField("psp", "is " + text, "name=https://host:port, the name sandbox, stripe or ending with -sandbox or -stripe");
    }
    auto url = http::ParseUrl(text.substr(equals + 1));
    if (!url.ok()) return url.status();
    if (!url->tls) return InvalidField("psp", "has the address " + text.substr(equals + 1), "an https address: card numbers go there");
    const PspEndpoint endpoint{name, *url, config.times};
    if (stripe) psps[name] = std::make_unique<StripeAdapter>(endpoint, client);
    else psps[name] = std::make_unique<SandboxAdapter>(endpoint, client);
  }
  return psps;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "gateway-adapter: %s\n", std::string(status.message()).c_str());
  return 1;
}

int Main(int argc, char** argv) {
  daemon::Process process({.name = "gateway-adapter", .about = "Payments at PSPs, exactly once.", .grpc_port = 7004,
                           .metrics_port = 9104, .shutdown_deadline = absl::Seconds(100), .harden = &secret::HardenCardZone});
  Config config;
  config.Declare(process.flags());
  if (auto exit_code = process.Start(argc, argv)) return *exit_code;
  if (!config.test_gates.empty() && !config.allow_test_gates) {
    return Fail(InvalidField("test-gates", "is set", "empty, or used with --allow-test-gates: it stops payments at will"));
  }
  if (absl::Status locked = secret::Arena::Start(static_cast<size_t>(config.locked_bytes)); !locked.ok()) return Fail(locked);
  const Gates gates(config.test_gates);
  Meters meters(process.metrics());

  storage::Options options;
  options.sessions = config.database_sessions;
  obs::Histogram transactions(process.metrics(), "flattone_gateway_transaction_seconds", "Database transactions", obs::DurationBounds());
  obs::Counter reruns(process.metrics(), "flattone_gateway_transaction_reruns_total", "Transactions run again after a conflict");
  options.on_transaction = [&](const storage::TransactionReport& report) {
    transactions.Observe(report.run_seconds);
    if (report.attempts > 1) reruns.Add(static_cast<uint64_t>(report.attempts - 1));
  };
  auto database = storage::Database::Open(config.database, options);
  if (!database.ok()) return Fail(database.status());
  if (absl::Status migrated = storage::Migrate(**database, Migrations()); !migrated.ok()) return Fail(migrated);
  if (absl::Status planted = storage::PlantCanary(**database, process.canary()); !planted.ok()) return Fail(planted);
  auto keys = crypto::FileKeyStore::OpenOrCreate(config.key_file, config.key_file_create, process.random());
  if (!keys.ok()) return Fail(keys.status());

  http::ClientOptions client_options;
  client_options.ca_file = config.psp_ca;
  client_options.io_threads = 2;
  http::HttpClient client(client_options);
  if (absl::Status ready = client.Ready(); !ready.ok()) return Fail(ready);
  auto psps = MakePsps(config, client);
  if (!psps.ok()) return Fail(psps.status());
  auto cards = VaultCards::Create(process.random(), [&](const std::string& address) { return process.Dial(address, "tokenisation-vault"); },
                                  config.vault_address);
  if (!cards.ok()) return Fail(cards.status());

  Outbox outbox(**database);
  Ledger ledger(**database, outbox, process.clock(), process.random(), config.lease);
  Accounts accounts(**database, **keys, process.clock(), process.random());
  const Runner::Parts parts{ledger, accounts, *psps, **cards, meters, process.log(), process.clock(), gates};
  Runner runner(parts, config.max_in_flight);
  Resolver resolver(parts, runner);
  PaymentGrpcService payments({runner, ledger, outbox, process.clock(), process.random(), gates});
  const std::set<std::string> test_psps(config.test_psps.begin(), config.test_psps.end());
  AdminGrpcService admin({**database, ledger, accounts, *psps, test_psps, meters, process.log(), process.clock(), process.random()});
  process.Add<v1::PaymentGatewayService>(&payments);
  process.Add<v1::GatewayAdminService>(&admin);

  daemon::Hooks hooks;
  hooks.started = [&] {
    absl::Status leased = ledger.RenewLease();
    if (leased.ok()) resolver.Start(absl::Milliseconds(500), config.lease / 3);
    return leased;
  };
  hooks.drain = [&](absl::Time deadline) {
    if (!runner.Drain(deadline)) process.log().Error("attempts were still in flight at the shutdown deadline", {{"attempts", runner.in_flight()}});
    outbox.Stop();  // not before: readers that find nothing and do not wait would ask without a pause
  };
  hooks.stop = [&] { resolver.Stop(); };
  return process.Run(hooks);
}

}  // namespace
}  // namespace flattone::gateway

int main(int argc, char** argv) { return flattone::gateway::Main(argc, argv); }
