// For the tests of runner and resolver: two processes of the adapter over one database, one scripted PSP, one vault.
#pragma once

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "libs/base/error.h"
#include "libs/crypto/file_key_store.h"
#include "libs/storage/interrupts.h"
#include "libs/storage/scratch.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"
#include "services/gateway-adapter/attempt/fakes.h"
#include "services/gateway-adapter/attempt/runner.h"
#include "services/gateway-adapter/attempt/schema.h"
#include "services/gateway-adapter/resolve/resolver.h"

namespace flattone::gateway {

using storage::testing::Backend;
using storage::testing::Backends;
using fakes::FakeCards;
using fakes::FakePsp;
using fakes::Script;

struct Directory {
  Directory() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Directory() { std::filesystem::remove_all(path); }
  void Touch(const std::string& name) { std::ofstream(path + "/" + name) << ""; }
  bool Has(const std::string& name) const { return std::filesystem::exists(path + "/" + name); }
  std::string path = (std::filesystem::temp_directory_path() / "flattone-run-XXXXXX").string();
};

// One process of the adapter: its own ledger, runner and resolver over a shared database, PSP and vault.
struct Process {
  Process(const std::string& url, crypto::KeyStore& keys, const Clock& clock, uint64_t seed, Psps& psps, CardSource& cards,
          const Gates& gates, int max_in_flight)
      : random(seed), meters(registry), log({.service = "test", .level = obs::Level::kError}, clock, registry, [](std::string_view) {}) {
    auto opened = storage::Database::Open(url, {.interrupt_write = writes.Hook()});
    REQUIRE(opened.ok());
    db = std::move(*opened);
    REQUIRE(storage::Migrate(*db, Migrations()).ok());
    outbox = std::make_unique<Outbox>(*db, absl::Milliseconds(20));
    ledger = std::make_unique<Ledger>(*db, *outbox, clock, random, absl::Seconds(10));
    accounts = std::make_unique<Accounts>(*db, keys, clock, random);
    const Runner::Parts parts{*ledger, *accounts, psps, cards, meters, log, clock, gates};
    runner = std::make_unique<Runner>(parts, max_in_flight, absl::Milliseconds(1));
    resolver = std::make_unique<Resolver>(parts, *runner);
    REQUIRE(ledger->RenewLease().ok());
  }
  storage::testing::WriteInterrupts writes;
  testing::SeededRandom random;
  obs::Registry registry;
  Meters meters;
  obs::Logger log;
  std::unique_ptr<storage::Database> db;
  std::unique_ptr<Outbox> outbox;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<Accounts> accounts;
  std::unique_ptr<Runner> runner;
  std::unique_ptr<Resolver> resolver;
};

struct Fixture {
  explicit Fixture(Backend backend, int max_in_flight = 8) : scratch(backend), gates(gate_dir.path) {
    const std::string key_file = key_dir.path + "/kek";
    REQUIRE(crypto::FileKeyStore::AddKey(key_file, key_random).ok());
    keys = std::move(*crypto::FileKeyStore::Open(key_file, key_random));
    psps["sandbox"] = std::make_unique<FakePsp>();
    psp = static_cast<FakePsp*>(psps["sandbox"].get());
    one = std::make_unique<Process>(scratch.url(), *keys, clock, 1, psps, cards, gates, max_in_flight);
    two = std::make_unique<Process>(scratch.url(), *keys, clock, 2, psps, cards, gates, max_in_flight);
    Credentials credentials;
    credentials.emplace("api_key", std::move(*secret::SecretBytes::CopyOf("sbx_1")));
    REQUIRE(one->accounts->Put("ten_a", Mode::kTest, "sandbox", credentials, [](storage::Transaction&, const std::string&) { return absl::OkStatus(); }).ok());
  }
  static NewAttempt Wanted(Operation operation, const std::string& operation_id, const std::string& payment = "pay_1") {
    NewAttempt wanted;
    wanted.operation = operation;
    wanted.tenant_id = "ten_a";
    wanted.payment_id = payment;
    wanted.operation_id = operation_id;
    if (operation == Operation::kAuthorise) {
      wanted.amount_minor = 1000;
      wanted.currency = "EUR";
      wanted.token_id = "tok_" + payment;
    }
    return wanted;
  }
  Attempt Start(const NewAttempt& wanted, const StartOptions& options = {}) {
    auto attempt = one->runner->Start(wanted, options);
    REQUIRE(attempt.ok());
    return *attempt;
  }
  Attempt Now(const Attempt& a) { return *one->ledger->Find("ten_a", a.attempt_id); }
  // Fake time goes on until the attempt is no longer UNKNOWN, at most `seconds`.
  Attempt Resolve(const Attempt& a, int seconds = 120) {
    for (int i = 0; i < seconds && Now(a).state == State::kUnknown; ++i) {
      clock.Advance(absl::Seconds(1));
      two->resolver->Tick();
    }
    return Now(a);
  }
  size_t Outcomes() { return one->outbox->Read(0, 1000, absl::ZeroDuration())->size(); }

  storage::testing::ScratchDatabase scratch;
  testing::FakeClock clock;
  testing::SeededRandom key_random{9};
  Directory key_dir, gate_dir;
  Gates gates;
  std::unique_ptr<crypto::FileKeyStore> keys;
  Psps psps;
  FakePsp* psp;
  FakeCards cards;
  std::unique_ptr<Process> one, two;
};

}  // namespace flattone::gateway
