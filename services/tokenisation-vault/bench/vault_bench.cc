// What a card costs in the vault, without network: seal and open a key press, seal a record at rest, and whole
// tokenisations and releases over a database.
//
//   build/release/bin/vault_bench                                   SQLite in /tmp
//   FLATTONE_BENCH_DATABASE=postgresql://user@host/db build/release/bin/vault_bench
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include "libs/card/luhn.h"
#include "libs/crypto/file_key_store.h"
#include "libs/crypto/fingerprint.h"
#include "services/tokenisation-vault/seal/card_record.h"
#include "services/tokenisation-vault/service/vault.h"

namespace flattone::vault {
namespace {

const secret::ClearCardAccess kBench("a benchmark makes its own test card");

std::string Number() {
  const std::string digits = "510000000012345";
  return digits + card::LuhnDigit(digits);
}

secret::Secret<char> Symbol(char symbol) {
  auto secret = secret::Secret<char>::Create();
  secret->Update(kBench) = symbol;
  return std::move(secret.value());
}

void SealKey(benchmark::State& state) {
  auto pair = crypto::X25519KeyPair::Create(SystemRandom());
  const auto symbol = Symbol('5');
  for (auto _ : state) {
    benchmark::DoNotOptimize(crypto::SealKeyPress(SystemRandom(), pair->public_key(), {"ten_a", "cap_a", 1, 1, 160}, symbol));
  }
}
BENCHMARK(SealKey);

void OpenKey(benchmark::State& state) {
  auto pair = crypto::X25519KeyPair::Create(SystemRandom());
  const auto sealed = crypto::SealKeyPress(SystemRandom(), pair->public_key(), {"ten_a", "cap_a", 1, 1, 160}, Symbol('5'));
  for (auto _ : state) benchmark::DoNotOptimize(crypto::OpenKeyPress(*pair, {"ten_a", "cap_a", 1, 1, 160}, *sealed));
}
BENCHMARK(OpenKey);

void SealAndPrintRecord(benchmark::State& state) {
  const auto key = crypto::MakeTenantKey(SystemRandom(), "ten_a", "data", 1);
  const auto print = crypto::MakeTenantKey(SystemRandom(), "ten_a", "fingerprint", 1);
  auto pan = card::Pan::FromDigits(std::move(secret::SecretBytes::CopyOf(std::string_view(Number())).value()));
  const auto expiry = secret::SecretBytes::CopyOf(std::string_view("1230"));
  for (auto _ : state) {
    benchmark::DoNotOptimize(SealCardRecord(SystemRandom(), *key, "tok_a", *pan, *expiry, {}));
    benchmark::DoNotOptimize(crypto::Fingerprint(*print, pan->digits()));
  }
}
BENCHMARK(SealAndPrintRecord);

// A vault over a fresh database, kept for all benchmarks of the process.
struct Bench {
  Bench() : log({.service = "bench"}, SystemClock(), metrics, [](std::string_view) {}) {
    const char* given = std::getenv("FLATTONE_BENCH_DATABASE");
    directory = std::filesystem::temp_directory_path() / ("flattone-vault-bench-" + std::to_string(getpid()));
    std::filesystem::create_directory(directory);
    const std::string kek_file = (directory / "kek").string();
    static_cast<void>(crypto::FileKeyStore::AddKey(kek_file, SystemRandom()));
    kek = std::move(crypto::FileKeyStore::Open(kek_file, SystemRandom()).value());
    database = std::move(storage::Database::Open(given != nullptr ? given : "sqlite:" + (directory / "vault.db").string(), {}).value());
    VaultOptions options;
    options.replica_id = RandomId(SystemRandom(), "vlt");
    options.captures.slots = 100000;
    options.cards.max_opens_payment = 1'000'000'000;
    vault = std::move(Vault::Create({*database, *kek, SystemRandom(), SystemClock(), metrics, log}, options).value());
    static_cast<void>(vault->Serve("127.0.0.1:1"));
  }
  ~Bench() { std::filesystem::remove_all(directory); }

  // The row that Tokenise stores, without the capture before it.
  absl::StatusOr<std::string> StoreOne() {
    auto data = vault->keyring().SealingKey("ten_a");
    auto print = vault->keyring().FingerprintKey("ten_a");
    if (!data.ok() || !print.ok()) return data.status();
    auto pan = card::Pan::FromDigits(std::move(secret::SecretBytes::CopyOf(std::string_view(Number())).value()));
    TokenRow row;
    row.token = RandomId(SystemRandom(), "tok");
    row.tenant = "ten_a";
    row.capture = RandomId(SystemRandom(), "cap");
    row.bin = pan->bin();
    row.last_four = pan->last_four();
    row.fingerprint = crypto::Fingerprint(**print, pan->digits());
    row.key_version = (*data)->version;
    auto sealed = SealCardRecord(SystemRandom(), **data, row.token, *pan, {}, {});
    if (!sealed.ok()) return sealed.status();
    row.sealed_card = *sealed;
    row.created_ms = absl::ToUnixMillis(SystemClock().Now());
    row.expires_ms = row.created_ms + 3'600'000;
    auto stored = vault->tokens().Insert(row, {"session-orchestration", "token.create", "ten_a", row.token, "ok", "bench"});
    if (!stored.ok()) return stored;
    return row.token;
  }

  obs::Registry metrics;
  obs::Logger log;
  std::filesystem::path directory;
  std::unique_ptr<crypto::FileKeyStore> kek;
  std::unique_ptr<storage::Database> database;
  std::unique_ptr<Vault> vault;
};

Bench& Shared() {
  static Bench bench;
  return bench;
}

void Tokenise(benchmark::State& state) {
  Bench& bench = Shared();
  for (auto _ : state) {
    if (auto token = bench.StoreOne(); !token.ok()) state.SkipWithError(token.status().ToString().c_str());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Tokenise)->Threads(1)->Threads(8)->Threads(64)->UseRealTime();

void Release(benchmark::State& state) {
  Bench& bench = Shared();
  const auto token = bench.StoreOne();
  auto adapter = crypto::X25519KeyPair::Create(SystemRandom());
  for (auto _ : state) {
    auto card = bench.vault->cards().Open({"ten_a", *token, "att_1"}, adapter->public_key(), false, {"gateway-adapter", "bench"});
    if (!card.ok()) state.SkipWithError(card.status().ToString().c_str());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Release)->Threads(1)->Threads(8)->Threads(64)->UseRealTime();

}  // namespace
}  // namespace flattone::vault

BENCHMARK_MAIN();
