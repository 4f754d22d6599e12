#include <fstream>
#include <set>
#include <thread>

#include "libs/secret/arena.h"
#include "services/tokenisation-vault/service/test_rig.h"

namespace flattone::vault {
namespace {

using storage::testing::Backends;

TEST_CASE("a card goes in key by key and comes out sealed to the adapter, once per attempt") {
  World world(GENERATE(from_range(Backends())));
  Node node(world, "127.0.0.1:1");
  const TokenRow row = node.Token("cap_1", kPan);
  CHECK(row.brand == card::Brand::kMastercard);
  CHECK(row.bin == kPan.substr(0, 6));
  CHECK(row.last_four == kPan.substr(12));
  CHECK(row.token.substr(0, 4) == "tok_");
  auto released = node.Release(row.token, true);
  REQUIRE(released.ok());
  auto card = node.OpenSealed(row.token, *released);
  REQUIRE(card.ok());
  CHECK(card->Reveal(kTest).pan_text() == kPan);
  CHECK(card->Reveal(kTest).security_code_text() == "737");
  CHECK(card->Reveal(kTest).expiry_month == 12);
  CHECK(card->Reveal(kTest).expiry_year == 30);
  CHECK_FALSE(node.OpenSealed(row.token, *released, "att_2").ok());
  CHECK(node.Count("SELECT opens FROM token") == 1);
}

TEST_CASE("an unfinished capture writes nothing of the card; a finished one ciphertext only") {
  World world(storage::testing::Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  node.Open("cap_1");
  node.Type("cap_1", kPan + "12");
  CHECK(node.Count("SELECT COUNT(*) FROM token") == 0);
  REQUIRE(node.vault->captures().Cancel("ten_a", "cap_1", node.orchestrator).ok());
  CHECK(node.Count("SELECT COUNT(*) FROM token") == 0);
  node.Token("cap_2", kPan);
  const std::string path = world.scratch.url().substr(sizeof("sqlite:") - 1);
  std::string all;
  for (const std::string& file : {path, path + "-wal"}) {
    std::ifstream in(file, std::ios::binary);
    all.append(std::istreambuf_iterator<char>(in), {});
  }
  REQUIRE(all.find(kPan.substr(12)) != std::string::npos);  // the last four are there: the scan can see
  for (size_t i = 0; i + 7 <= kPan.size(); ++i) CHECK(all.find(kPan.substr(i, 7)) == std::string::npos);
}

TEST_CASE("tokenising is idempotent, waits for a complete capture, and ends it") {
  World world(GENERATE(from_range(Backends())));
  Node node(world, "127.0.0.1:1");
  auto entry = node.Open("cap_1");
  node.Type("cap_1", kPan);
  CHECK(CodeOf(node.Tokenise("cap_1").status()) == "capture_incomplete");
  node.Type("cap_1", "1230" "737", 17);
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::set<std::string> tokens;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto row = node.Tokenise("cap_1");
      std::lock_guard<std::mutex> lock(mutex);
      tokens.insert(row.ok() ? row->token : row.status().ToString());
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(tokens.size() == 1);
  CHECK(entry->progress().state == CaptureState::kTokenised);
  node.Advance(absl::Seconds(1));
  CHECK(node.Tokenise("cap_1")->token == *tokens.begin());
  CHECK(node.Count("SELECT COUNT(*) FROM token") == 1);
  CHECK_FALSE(node.Press("cap_1", 24, '1')->taken);
}

TEST_CASE("the same card of a tenant has one fingerprint, across data-key rotation; old tokens stay readable") {
  World world(GENERATE(from_range(Backends())));
  Node node(world, "127.0.0.1:1");
  const TokenRow one = node.Token("cap_1", kPan);
  CHECK(*node.vault->keyring().Rotate("ten_a") == 2);
  const TokenRow two = node.Token("cap_2", kPan);
  CHECK(one.key_version == 1);
  CHECK(two.key_version == 2);
  CHECK(one.fingerprint == two.fingerprint);
  CHECK(node.Token("cap_3", CardNumber("52", 16)).fingerprint != one.fingerprint);
  CHECK(node.Release(one.token, true).ok());
  CHECK(node.Release(two.token, true).ok());
}

TEST_CASE("keys and tokens survive a restart; the security code does not") {
  World world(GENERATE(from_range(Backends())));
  std::string token;
  {
    Node node(world, "127.0.0.1:1");
    token = node.Token("cap_1", kPan).token;
  }
  Node node(world, "127.0.0.1:1");
  auto with = node.Release(token, true);
  CHECK(CodeOf(with.status()) == "security_code_gone");
  auto without = node.Release(token, false);
  REQUIRE(without.ok());
  auto card = node.OpenSealed(token, *without);
  CHECK(card->Reveal(kTest).pan_text() == kPan);
  CHECK(card->Reveal(kTest).security_code_size == 0);
}

TEST_CASE("a row whose ciphertext was swapped with another row's gives no card") {
  World world(storage::testing::Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  const TokenRow one = node.Token("cap_1", kPan), two = node.Token("cap_2", CardNumber("52", 16));
  REQUIRE(node.database->Write([&](storage::Transaction& tx) {
            return tx.Execute("UPDATE token SET sealed_card = (SELECT sealed_card FROM token WHERE token_id = $1) WHERE token_id = $2",
                              {one.token, two.token}).status();
          }).ok());
  CHECK(CodeOf(node.Release(two.token, false).status()) == "not_authentic");
}

TEST_CASE("the code is wiped by the answer, by cancel, by the clock, and at the end of the process") {
  World world(GENERATE(from_range(Backends())));
  Node node(world, "127.0.0.1:1");
  const TokenRow row = node.Token("cap_1", kPan);
  REQUIRE(node.vault->codes().Has(row.token));
  SECTION("answer") {
    REQUIRE(node.Release(row.token, true).ok());
    CHECK(*node.vault->cards().Wipe("ten_a", row.token, false, node.adapter));
    CHECK_FALSE(*node.vault->cards().Wipe("ten_a", row.token, false, node.adapter));
    CHECK(CodeOf(node.Release(row.token, true).status()) == "security_code_gone");
    CHECK(node.Release(row.token, false).ok());
  }
  SECTION("cancel") { REQUIRE(node.vault->captures().Cancel("ten_a", "cap_1", node.orchestrator).ok()); }
  SECTION("two minutes after it was released") {
    REQUIRE(node.Release(row.token, true).ok());
    node.Advance(absl::Seconds(119));
    CHECK(node.vault->codes().Has(row.token));
    node.Advance(absl::Seconds(2));
  }
  SECTION("ten minutes after it was typed") {
    node.Advance(absl::Seconds(599));
    CHECK(node.vault->codes().Has(row.token));
    node.Advance(absl::Seconds(2));
  }
  SECTION("end of the process") { node.vault->Close(); }
  CHECK_FALSE(node.vault->codes().Has(row.token));
}

TEST_CASE("a payment's card is destroyed when the payment is final; a kept one is not") {
  World world(GENERATE(from_range(Backends())));
  Node node(world, "127.0.0.1:1");
  const TokenRow payment = node.Token("cap_1", kPan), kept = node.Token("cap_2", kPan, TokenPurpose::kTokenise);
  REQUIRE(node.vault->cards().Wipe("ten_a", payment.token, true, node.adapter).ok());
  REQUIRE(node.vault->cards().Wipe("ten_a", kept.token, true, node.adapter).ok());
  CHECK(CodeOf(node.Release(payment.token, false).status()) == "token_destroyed");
  CHECK(node.Release(kept.token, false).ok());
  CHECK(node.Count("SELECT COUNT(*) FROM token WHERE sealed_card IS NULL") == 1);
  CHECK(node.vault->tokens().Find("ten_a", payment.token)->last_four == kPan.substr(12));
  CHECK_FALSE(*node.vault->cards().Wipe("ten_a", payment.token, true, node.adapter));
}

TEST_CASE("the sweeper destroys what has outlived its time, and audits it") {
  World world(GENERATE(from_range(Backends())));
  Node node(world, "127.0.0.1:1");
  const TokenRow payment = node.Token("cap_1", kPan);
  node.Token("cap_2", kPan, TokenPurpose::kTokenise);
  node.Advance(absl::Hours(23));
  CHECK(node.vault->tokens().Find("ten_a", payment.token)->destroyed_ms == 0);
  node.Advance(absl::Hours(1));
  CHECK(node.vault->tokens().Find("ten_a", payment.token)->destroyed_ms != 0);
  CHECK(node.Count("SELECT COUNT(*) FROM audit WHERE action = 'token.expire'") == 1);
  node.Advance(absl::Hours(24 * 365));
  CHECK(node.Count("SELECT COUNT(*) FROM token WHERE sealed_card IS NULL") == 2);
  CHECK(node.metrics.Value("flattone_vault_tokens_expired_total") == 2);
}

TEST_CASE("openings of a token are bounded, counted and alarmed") {
  World world(GENERATE(from_range(Backends())));
  VaultOptions options;
  options.cards.max_opens_payment = 3;
  Node node(world, "127.0.0.1:1", options);
  const TokenRow row = node.Token("cap_1", kPan);
  for (int i = 0; i < 3; ++i) CHECK(node.Release(row.token, true).ok());
  CHECK(CodeOf(node.Release(row.token, true).status()) == "opens_used");
  CHECK(node.metrics.Value("flattone_vault_card_opens_total") == 3);
  CHECK(node.metrics.Value("flattone_vault_card_opens_refused_total", {{"code", "opens_used"}}) == 1);
  CHECK(node.lines.size() == 1);
  CHECK(node.Count("SELECT COUNT(*) FROM audit WHERE action = 'card.open'") == 4);
  CHECK(node.Count("SELECT COUNT(*) FROM audit WHERE result = 'opens_used'") == 1);
}

TEST_CASE("another tenant's capture and token answer like unknown ones, and nothing changes") {
  World world(GENERATE(from_range(Backends())));
  Node node(world, "127.0.0.1:1");
  const TokenRow row = node.Token("cap_1", kPan);
  node.Open("cap_2");
  auto message = [](const absl::Status& status, std::string id) {
    std::string text = status.ToString();
    return text.replace(text.find(id), id.size(), "X");
  };
  Captures& captures = node.vault->captures();
  CHECK(message(captures.Find("ten_b", "cap_2").status(), "cap_2") == message(captures.Find("ten_b", "cap_nobody").status(), "cap_nobody"));
  CHECK(absl::IsNotFound(captures.Cancel("ten_b", "cap_2", node.orchestrator).status()));
  CHECK(absl::IsNotFound(captures.Tokenise("ten_b", "cap_1", TokenPurpose::kPayment, {}, node.orchestrator).status()));
  CHECK(CodeOf(captures.Open({"ten_b", "cap_2", "ses_b"}, Node::Standard()).status()) == "capture_id_taken");
  Cards& cards = node.vault->cards();
  CHECK(CodeOf(cards.Open({"ten_b", row.token, "att_1"}, node.adapter_key.public_key(), false, node.adapter).status()) == "token_not_found");
  CHECK(CodeOf(cards.Wipe("ten_b", row.token, true, node.adapter).status()) == "token_not_found");
  CHECK(CodeOf(cards.Destroy("ten_b", row.token, node.orchestrator)) == "token_not_found");
  CHECK(node.vault->codes().Has(row.token));
  CHECK(node.Release(row.token, true).ok());
  CHECK(captures.Find("ten_a", "cap_2").ok());
}

TEST_CASE("a full vault refuses a capture, names its limit, and takes one again when another has ended") {
  World world(storage::testing::Backend::kSqlite);
  VaultOptions options;
  options.captures.slots = 2;
  Node node(world, "127.0.0.1:1", options);
  node.Open("cap_1");
  node.Open("cap_2");
  const auto refused = node.vault->captures().Open({"ten_a", "cap_3", "ses_a"}, Node::Standard()).status();
  CHECK(refused.code() == absl::StatusCode::kResourceExhausted);
  CHECK(CodeOf(refused) == "vault_full");
  CHECK(node.vault->captures().Open({"ten_a", "cap_1", "ses_a"}, Node::Standard()).ok());  // a repeat
  REQUIRE(node.vault->captures().Cancel("ten_a", "cap_1", node.orchestrator).ok());
  node.Advance(absl::Milliseconds(100));
  CHECK(node.vault->captures().Open({"ten_a", "cap_3", "ses_a"}, Node::Standard()).ok());
}

TEST_CASE("a capture of another replica: its address while it lives, lost when it is gone") {
  World world(GENERATE(from_range(Backends())));
  auto one = std::make_unique<Node>(world, "127.0.0.1:1");
  Node two(world, "127.0.0.1:2");
  one->Open("cap_1");
  const auto elsewhere = two.vault->captures().Find("ten_a", "cap_1").status();
  CHECK(elsewhere.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(CodeOf(elsewhere) == "capture_elsewhere");
  CHECK(DetailOf(elsewhere)->fix == "127.0.0.1:1");
  CHECK(CodeOf(two.vault->captures().Open({"ten_a", "cap_1", "ses_a"}, Node::Standard()).status()) == "capture_elsewhere");
  CHECK(two.vault->registry().live() == 0);
  SECTION("killed: lost when its lease has ended") {
    one.reset();
    CHECK(CodeOf(two.vault->captures().Find("ten_a", "cap_1").status()) == "capture_elsewhere");
    world.clock.Advance(absl::Seconds(16));
    CHECK(CodeOf(two.vault->captures().Find("ten_a", "cap_1").status()) == "capture_lost");
  }
  SECTION("shut down: lost at once") {
    one->vault->Close();
    CHECK(CodeOf(two.vault->captures().Find("ten_a", "cap_1").status()) == "capture_lost");
  }
  SECTION("restarted at its address: lost at once, for itself too") {
    one = std::make_unique<Node>(world, "127.0.0.1:1");
    CHECK(CodeOf(one->vault->captures().Find("ten_a", "cap_1").status()) == "capture_lost");
  }
  SECTION("alive while it renews") {
    for (int i = 0; i < 10; ++i) one->Advance(absl::Seconds(6));
    CHECK(CodeOf(two.vault->captures().Find("ten_a", "cap_1").status()) == "capture_elsewhere");
  }
}

TEST_CASE("a card whose code another replica holds is opened and wiped there") {
  World world(GENERATE(from_range(Backends())));
  auto one = std::make_unique<Node>(world, "127.0.0.1:1");
  Node two(world, "127.0.0.1:2");
  const TokenRow row = one->Token("cap_1", kPan);
  CHECK(row.code_address == "127.0.0.1:1");
  CHECK(CodeOf(two.Release(row.token, true).status()) == "capture_elsewhere");
  CHECK(CodeOf(two.vault->cards().Wipe("ten_a", row.token, true, two.adapter).status()) == "capture_elsewhere");
  CHECK(two.Release(row.token, false).ok());
  REQUIRE(one->vault->cards().Wipe("ten_a", row.token, false, one->adapter).ok());
  CHECK(CodeOf(two.Release(row.token, true).status()) == "security_code_gone");
  CHECK(two.vault->cards().Wipe("ten_a", row.token, true, two.adapter).ok());
  const TokenRow next = one->Token("cap_2", kPan);
  one.reset();
  world.clock.Advance(absl::Seconds(16));
  CHECK(CodeOf(two.Release(next.token, true).status()) == "security_code_gone");
}

TEST_CASE("the audit's newest number is a metric") {
  World world(GENERATE(from_range(Backends())));
  Node node(world, "127.0.0.1:1");
  node.Token("cap_1", kPan);
  node.Advance(absl::Seconds(6));
  CHECK(node.metrics.Text().find("flattone_vault_audit_sequence 1") != std::string::npos);
}

TEST_CASE("ended captures give their locked memory back and are forgotten after a while") {
  World world(storage::testing::Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  node.Token("cap_warm", kPan);
  node.vault->codes().WipeAll();
  node.Advance(absl::Milliseconds(100));
  const size_t before = secret::Arena::Process().usage().used_bytes;
  node.Token("cap_1", kPan);
  CHECK(secret::Arena::Process().usage().used_bytes > before);
  node.vault->codes().WipeAll();
  node.Advance(absl::Milliseconds(100));
  CHECK(secret::Arena::Process().usage().used_bytes == before);
  CHECK(node.vault->captures().Find("ten_a", "cap_1").ok());
  node.Advance(absl::Minutes(12));
  CHECK(CodeOf(node.vault->captures().Find("ten_a", "cap_1").status()) == "capture_not_found");
  CHECK(node.Count("SELECT COUNT(*) FROM capture_place") == 0);
}

TEST_CASE("a watcher hears of every change until it leaves") {
  World world(storage::testing::Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  auto entry = node.Open("cap_1");
  int heard = 0;
  const uint64_t id = entry->Watch([&] { ++heard; });
  node.Type("cap_1", "51");
  CHECK(heard == 2);
  node.Advance(absl::Seconds(61));
  CHECK(heard == 3);
  entry->Unwatch(id);
  REQUIRE(node.vault->captures().Cancel("ten_a", "cap_1", node.orchestrator).ok());
  CHECK(heard == 3);
  std::vector<uint64_t> ids;
  for (int i = 0; i < 16; ++i) CHECK(entry->Watch([] {}) != 0);
  CHECK(entry->Watch([] {}) == 0);
}

}  // namespace
}  // namespace flattone::vault
