// A whole vault over a scratch database with a fake clock, and a masker that types: for the tests of service and grpc.
#pragma once

#include <unistd.h>

#include <string>

#include "libs/base/error.h"
#include "libs/card/luhn.h"
#include "libs/crypto/file_key_store.h"
#include "libs/crypto/sealed_card.h"
#include "libs/storage/interrupts.h"
#include "libs/storage/scratch.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"
#include "services/tokenisation-vault/service/vault.h"

namespace flattone::vault {

inline const secret::ClearCardAccess kTest("a test looks at its own bytes");

inline std::string CardNumber(std::string prefix, size_t length) {
  while (prefix.size() + 1 < length) prefix.push_back(static_cast<char>('0' + prefix.size() % 10));
  return prefix + card::LuhnDigit(prefix);
}

inline const std::string kPan = CardNumber("51", 16);

inline std::string CodeOf(const absl::Status& status) {
  const auto detail = DetailOf(status);
  return detail.has_value() ? detail->code : status.ToString();
}

// What replicas share: the database, the key file, the clock.
struct World {
  explicit World(storage::testing::Backend backend) : scratch(backend) {
    char name[] = "/tmp/flattone-kek-XXXXXX";
    close(mkstemp(name));
    unlink(name);
    kek_path = name;
    REQUIRE(crypto::FileKeyStore::AddKey(kek_path, random).ok());
    kek = std::move(crypto::FileKeyStore::Open(kek_path, random).value());
  }
  ~World() { unlink(kek_path.c_str()); }

  storage::testing::ScratchDatabase scratch;
  testing::FakeClock clock;
  Random& random = SystemRandom();
  std::string kek_path;
  std::unique_ptr<crypto::FileKeyStore> kek;
};

// One process.
struct Node {
  Node(World& w, const std::string& address, VaultOptions options = {})
      : world(w), log({.service = "tokenisation-vault"}, w.clock, metrics, [this](std::string_view line) { lines.emplace_back(line); }) {
    database = std::move(storage::Database::Open(w.scratch.url(), {.interrupt_write = writes.Hook()}).value());
    options.replica_id = RandomId(w.random, "vlt");
    vault = std::move(Vault::Create({*database, *w.kek, w.random, w.clock, metrics, log}, options).value());
    REQUIRE(vault->Serve(address).ok());
  }

  static Rules Standard() {
    Rules rules;
    rules.fields = {{Field::kPan}, {Field::kExpiry}, {Field::kSecurityCode}};
    return rules;
  }

  CaptureRegistry::Entry Open(const std::string& capture, const Rules& rules = Standard()) {
    auto entry = vault->captures().Open({"ten_a", capture, "ses_a"}, rules);
    REQUIRE(entry.ok());
    crypto::PublicKey key;
    REQUIRE(vault->captures().BeginEpoch("ten_a", capture, 1, &key).ok());
    return *entry;
  }

  absl::StatusOr<KeyOutcome> Press(const std::string& capture, uint64_t ordinal, char symbol, uint64_t sealed_ordinal = 0) {
    crypto::PublicKey key;
    auto entry = vault->captures().Find("ten_a", capture);
    if (!entry.ok()) return entry.status();
    static_cast<void>((*entry)->With([&](Capture& live) {
      key = live.public_key();
      return absl::OkStatus();
    }));
    auto secret = secret::Secret<char>::Create();
    secret->Update(kTest) = symbol;
    const auto sealed = crypto::SealKeyPress(world.random, key, {"ten_a", capture, 1, sealed_ordinal == 0 ? ordinal : sealed_ordinal, 160}, *secret);
    return vault->captures().TakeKey("ten_a", capture, {1, ordinal, 160, *sealed}, masker);
  }
  void Type(const std::string& capture, const std::string& keys, uint64_t first = 1) {
    for (char symbol : keys) REQUIRE(Press(capture, first++, symbol).ok());
  }
  absl::StatusOr<TokenRow> Tokenise(const std::string& capture, TokenPurpose purpose = TokenPurpose::kPayment) {
    return vault->captures().Tokenise("ten_a", capture, purpose, absl::ZeroDuration(), orchestrator);
  }
  // A capture filled and tokenised.
  TokenRow Token(const std::string& capture, const std::string& pan, TokenPurpose purpose = TokenPurpose::kPayment) {
    Open(capture);
    Type(capture, pan + "1230" "737");
    auto row = Tokenise(capture, purpose);
    REQUIRE(row.ok());
    return *row;
  }
  absl::StatusOr<ReleasedCard> Release(const std::string& token, bool code_required, const std::string& attempt = "att_1") {
    return vault->cards().Open({"ten_a", token, attempt}, adapter_key.public_key(), code_required, adapter);
  }
  absl::StatusOr<crypto::SecretCard> OpenSealed(const std::string& token, const ReleasedCard& card, const std::string& attempt = "att_1") {
    return crypto::OpenCard(adapter_key, {"ten_a", token, attempt}, card.sealed);
  }
  int64_t Count(const std::string& sql) {
    int64_t count = -1;
    REQUIRE(database->Read([&](storage::Transaction& tx) -> absl::Status {
              auto rows = tx.Query(sql);
              if (rows.ok()) count = rows->front().Int(size_t{0});
              return rows.status();
            }).ok());
    return count;
  }
  void Advance(absl::Duration by) {
    world.clock.Advance(by);
    vault->Tick();
    vault->Tend();
  }

  World& world;
  storage::testing::WriteInterrupts writes;
  obs::Registry metrics;
  std::vector<std::string> lines;
  obs::Logger log;
  std::unique_ptr<storage::Database> database;
  std::unique_ptr<Vault> vault;
  crypto::X25519KeyPair adapter_key = std::move(crypto::X25519KeyPair::Create(SystemRandom()).value());
  Caller orchestrator{"session-orchestration", "test"}, masker{"dtmf-masking", "test"}, adapter{"gateway-adapter", "test"};
};

}  // namespace flattone::vault
