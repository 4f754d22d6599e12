// A vault in trouble: keys that are swapped, an audit chain or a database that does not take what it is given.
#include "services/tokenisation-vault/service/test_rig.h"

namespace flattone::vault {
namespace {

using storage::testing::Backends;

TEST_CASE("a swapped key is refused, counted and audited, and a flood of them fills no disk") {
  World world(storage::testing::Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  node.Open("cap_1");
  REQUIRE(node.Press("cap_1", 1, '5').ok());
  for (int i = 0; i < 30; ++i) CHECK(CodeOf(node.Press("cap_1", 2, '1', 3).status()) == "key_not_authentic");
  CHECK(node.metrics.Value("flattone_vault_keys_total", {{"outcome", "not_authentic"}}) == 30);
  CHECK(node.metrics.Value("flattone_vault_keys_total", {{"outcome", "taken"}}) == 1);
  CHECK(node.Count("SELECT COUNT(*) FROM audit WHERE result = 'key_not_authentic'") == 10);
  CHECK(node.Press("cap_1", 1, '5')->arrival == Arrival::kRepeat);
  CHECK(node.metrics.Value("flattone_vault_keys_total", {{"outcome", "repeated"}}) == 1);
  CHECK(node.Press("cap_1", 2, '1').ok());
}

TEST_CASE("no audit, no reveal: while the chain cannot be written no card leaves") {
  World world(storage::testing::Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  const TokenRow row = node.Token("cap_1", kPan);
  auto script = [&](const std::string& sql) {
    REQUIRE(node.database->Write([&](storage::Transaction& tx) { return tx.Script(sql); }).ok());
  };
  script("ALTER TABLE audit RENAME TO audit_away");
  CHECK_FALSE(node.Release(row.token, true).ok());
  CHECK(node.Count("SELECT opens FROM token") == 0);
  script("ALTER TABLE audit_away RENAME TO audit");
  CHECK(node.Release(row.token, true).ok());
}

TEST_CASE("a capture that cannot be stored is not lost: tokenising again succeeds") {
  World world(storage::testing::Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  auto entry = node.Open("cap_1");
  node.Type("cap_1", kPan + "1230" "737");
  auto script = [&](const std::string& sql) {
    REQUIRE(node.database->Write([&](storage::Transaction& tx) { return tx.Script(sql); }).ok());
  };
  script("ALTER TABLE token RENAME TO token_away");
  CHECK_FALSE(node.Tokenise("cap_1").ok());
  CHECK(entry->progress().state == CaptureState::kComplete);
  script("ALTER TABLE token_away RENAME TO token");
  CHECK(node.Tokenise("cap_1").ok());
}

TEST_CASE("a token whose commit was not confirmed is replaced when it is asked for again; nobody was told of it") {
  World world(GENERATE(from_range(Backends())));
  Node node(world, "127.0.0.1:1");
  node.Token("cap_0", kPan);  // the tenant's keys are made
  node.Open("cap_1");
  node.Type("cap_1", kPan + "1230" "737");
  node.writes.Fail(storage::WritePoint::kCommitted, 1, absl::UnknownError("lost while committing"));
  CHECK(absl::IsUnknown(node.Tokenise("cap_1").status()));
  REQUIRE(node.Count("SELECT COUNT(*) FROM token WHERE capture_id = 'cap_1'") == 1);
  const auto row = node.Tokenise("cap_1");
  REQUIRE(row.ok());
  CHECK(node.Count("SELECT COUNT(*) FROM token WHERE capture_id = 'cap_1'") == 1);
  auto released = node.Release(row->token, true);
  REQUIRE(released.ok());
  CHECK(node.OpenSealed(row->token, *released)->Reveal(kTest).pan_text() == kPan);
  CHECK(node.vault->audit().Verify()->intact);
}

TEST_CASE("a token that was used is not replaced") {
  World world(GENERATE(from_range(Backends())));
  Node node(world, "127.0.0.1:1");
  TokenRow row = node.Token("cap_1", kPan);
  REQUIRE(node.Release(row.token, true).ok());
  row.token = "tok_other";
  CHECK(absl::IsAlreadyExists(node.vault->tokens().Insert(row, {"a", "token.create", row.tenant, row.token, "ok", ""})));
}

TEST_CASE("time wipes codes and ends fields without the database: one that hangs keeps nothing alive") {
  World world(storage::testing::Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  const TokenRow row = node.Token("cap_1", kPan);
  auto entry = node.Open("cap_2");
  int writes = 0;
  node.writes.Set([&](storage::WritePoint) {
    ++writes;
    return absl::UnavailableError("the database is away");
  });
  world.clock.Advance(absl::Minutes(12));
  node.vault->Tick();
  CHECK(writes == 0);
  CHECK_FALSE(node.vault->codes().Has(row.token));
  CHECK(entry->progress().state == CaptureState::kExpired);
  node.vault->Tend();
  CHECK(writes > 0);
}

}  // namespace
}  // namespace flattone::vault
