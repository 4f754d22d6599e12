// A refused security code (or expiry) is typed again while the number stays in the vault.
#include "services/tokenisation-vault/service/test_rig.h"

namespace flattone::vault {
namespace {

using storage::testing::Backend;
using storage::testing::Backends;

Rules Again(std::vector<FieldRule> fields) {
  Rules rules;
  rules.fields = std::move(fields);
  rules.kept_brand = card::Brand::kUnknown;
  return rules;
}

// A card that was paid with, whose PSP refused the code: the adapter has wiped it and left the number.
TokenRow Refused(Node& node, const std::string& pan) {
  const TokenRow row = node.Token("cap_first", pan);
  REQUIRE(node.Release(row.token, true).ok());
  REQUIRE(node.vault->cards().Wipe("ten_a", row.token, false, node.adapter).ok());
  return row;
}

absl::StatusOr<CaptureRegistry::Entry> OpenAgain(Node& node, const std::string& token, std::vector<FieldRule> fields,
                                                 const std::string& capture = "cap_again", const std::string& tenant = "ten_a") {
  auto entry = node.vault->captures().Open({tenant, capture, "ses_a", token}, Again(std::move(fields)));
  crypto::PublicKey key;
  if (entry.ok()) REQUIRE(node.vault->captures().BeginEpoch(tenant, capture, 1, &key).ok());
  return entry;
}

TEST_CASE("the code alone is typed again: a new token has the whole card, the old one is destroyed") {
  World world(GENERATE(from_range(Backends())));
  Node node(world, "127.0.0.1:1");
  const TokenRow first = Refused(node, kPan);
  auto entry = OpenAgain(node, first.token, {{Field::kSecurityCode}});
  REQUIRE(entry.ok());
  CHECK((*entry)->progress().fields.size() == 1);
  CHECK((*entry)->progress().fields[0].expected == 3);  // the kept card's brand tells the length
  node.Type("cap_again", "915");
  const auto second = node.Tokenise("cap_again");
  REQUIRE(second.ok());
  CHECK(second->token != first.token);
  CHECK(second->last_four == first.last_four);
  CHECK(second->fingerprint == first.fingerprint);
  auto released = node.Release(second->token, true);
  REQUIRE(released.ok());
  auto card = node.OpenSealed(second->token, *released);
  REQUIRE(card.ok());
  CHECK(card->Reveal(kTest).pan_text() == kPan);
  CHECK(card->Reveal(kTest).security_code_text() == "915");
  CHECK(card->Reveal(kTest).expiry_month == 12);
  CHECK(card->Reveal(kTest).expiry_year == 30);
  CHECK(CodeOf(node.Release(first.token, false, "att_2").status()) == "token_destroyed");
  CHECK(node.Count("SELECT COUNT(*) FROM audit WHERE action = 'token.destroy'") == 1);
}

TEST_CASE("an expiry typed again takes the place of the kept one") {
  World world(Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  const TokenRow first = Refused(node, kPan);
  REQUIRE(OpenAgain(node, first.token, {{Field::kExpiry}, {Field::kSecurityCode}}).ok());
  node.Type("cap_again", "0931" "222");
  const auto second = node.Tokenise("cap_again");
  REQUIRE(second.ok());
  auto released = node.Release(second->token, true);
  REQUIRE(released.ok());
  auto card = node.OpenSealed(second->token, *released);
  REQUIRE(card.ok());
  CHECK(card->Reveal(kTest).expiry_month == 9);
  CHECK(card->Reveal(kTest).expiry_year == 31);
}

TEST_CASE("an American Express code typed again has four digits") {
  World world(Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  node.Open("cap_first");
  node.Type("cap_first", CardNumber("37", 15) + "1230" "7373");
  const auto first = node.Tokenise("cap_first");
  REQUIRE(first.ok());
  auto entry = OpenAgain(node, first->token, {{Field::kSecurityCode}});
  REQUIRE(entry.ok());
  node.Type("cap_again", "123");
  CHECK((*entry)->progress().state == CaptureState::kCollecting);
  node.Type("cap_again", "4", 4);
  CHECK((*entry)->progress().state == CaptureState::kComplete);
}

TEST_CASE("a number waits a quarter of an hour for its code, and for a capture that has begun") {
  World world(GENERATE(from_range(Backends())));
  Node node(world, "127.0.0.1:1");
  const TokenRow first = Refused(node, kPan);
  node.Advance(absl::Minutes(14));
  REQUIRE(OpenAgain(node, first.token, {{Field::kSecurityCode}}).ok());
  node.Advance(absl::Seconds(50));
  node.Type("cap_again", "915");
  node.Advance(absl::Minutes(5));  // beyond the quarter of an hour
  CHECK(node.Tokenise("cap_again").ok());
  const TokenRow other = node.Token("cap_other", kPan);
  REQUIRE(node.vault->cards().Wipe("ten_a", other.token, false, node.adapter).ok());
  node.Advance(absl::Minutes(16));
  CHECK(CodeOf(OpenAgain(node, other.token, {{Field::kSecurityCode}}, "cap_late").status()) == "card_not_kept");
  node.Advance(absl::Minutes(1));
  CHECK(node.Count("SELECT COUNT(*) FROM token WHERE destroyed_ms = 0 AND capture_id = 'cap_other'") == 0);
}

TEST_CASE("what is not kept is refused: another tenant's, a destroyed one, the number itself, nothing at all") {
  World world(Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  const TokenRow first = Refused(node, kPan);
  CHECK(CodeOf(OpenAgain(node, first.token, {{Field::kSecurityCode}}, "cap_b", "ten_b").status()) == "card_not_kept");
  CHECK(CodeOf(OpenAgain(node, first.token, {{Field::kPan}}, "cap_c").status()) == "invalid_field");
  CHECK(CodeOf(OpenAgain(node, first.token, {}, "cap_d").status()) == "invalid_field");
  REQUIRE(node.vault->cards().Wipe("ten_a", first.token, true, node.adapter).ok());
  CHECK(CodeOf(OpenAgain(node, first.token, {{Field::kSecurityCode}}, "cap_e").status()) == "card_not_kept");
}

TEST_CASE("a commit that was not confirmed and had been made is completed by the next try") {
  World world(GENERATE(from_range(Backends())));
  Node node(world, "127.0.0.1:1");
  const TokenRow first = Refused(node, kPan);
  REQUIRE(OpenAgain(node, first.token, {{Field::kSecurityCode}}).ok());
  node.Type("cap_again", "915");
  node.writes.Fail(storage::WritePoint::kCommitted, 1, absl::UnknownError("lost while committing"));
  CHECK_FALSE(node.Tokenise("cap_again").ok());
  const auto second = node.Tokenise("cap_again");
  REQUIRE(second.ok());
  auto released = node.Release(second->token, true);
  REQUIRE(released.ok());
  CHECK(node.OpenSealed(second->token, *released)->Reveal(kTest).pan_text() == kPan);
}

}  // namespace
}  // namespace flattone::vault
