#include "services/session-orchestration/session/free_text.h"

#include "libs/base/error.h"
#include "libs/testing/catch.h"

namespace flattone::session {
namespace {

// A number with its check digit computed: no full number is written down here.
std::string Card(std::string body) {
  unsigned sum = 0;
  for (size_t i = 0; i < body.size(); ++i) {
    unsigned digit = static_cast<unsigned>(body[body.size() - 1 - i] - '0');
    if (i % 2 == 0 && (digit *= 2) > 9) digit -= 9;
    sum += digit;
  }
  return body + static_cast<char>('0' + (10 - sum % 10) % 10);
}
std::string Wrong(std::string card) {
  card.back() = card.back() == '9' ? '0' : static_cast<char>(card.back() + 1);
  return card;
}
std::string Spread(const std::string& card, const std::string& separator, size_t group) {
  std::string out;
  for (size_t i = 0; i < card.size(); ++i) {
    if (i > 0 && i % group == 0) out += separator;
    out += card[i];
  }
  return out;
}

TEST_CASE("a card number is recognised however it is typed") {
  const std::string card = Card("411111111111111");
  CHECK(LooksLikePan(card));
  for (const char* separator : {" ", "-", ".", "/", "_", " - ", "\u00a0", "\u2013", "\t"}) {
    INFO("separator '" << separator << "'");
    CHECK(LooksLikePan(Spread(card, separator, 4)));
    CHECK(LooksLikePan(Spread(card, separator, 1)));
  }
  CHECK(LooksLikePan("card: " + card + ", exp 12/30"));
  CHECK(LooksLikePan("20" + card));
  CHECK(LooksLikePan(card + "1230"));
  std::string wide;
  for (char c : card) wide += std::string("\xef\xbc") + static_cast<char>(0x90 + (c - '0'));
  CHECK(LooksLikePan(wide));
}

TEST_CASE("each length from 13 to 19 digits counts, 12 and 20 do not") {
  for (size_t length = 12; length <= 20; ++length) {
    const std::string digits = Card(std::string(length - 1, '7'));
    INFO(length);
    CHECK(LooksLikePan(digits) == (length >= 13 && length <= 19));
    CHECK(!LooksLikePan(Wrong(digits)));
  }
}

TEST_CASE("what only looks busy passes") {
  CHECK(!LooksLikePan(""));
  CHECK(!LooksLikePan("order 2026-11-23 08:45"));
  CHECK(!LooksLikePan("+44 20 7946 0000"));
  CHECK(!LooksLikePan("5f0c1b8e-4d6e-4a51-9a7e-2f1f4bb0a9f1"));
  CHECK(!LooksLikePan(Wrong(Card("411111111111111"))));
  CHECK(!LooksLikePan("\xff\xfe\x80"));
}

TEST_CASE("text is refused by length, encoding and content, and the value is not repeated") {
  CHECK(CheckText("order_reference", "A-1", 64).ok());
  CHECK(DetailOf(CheckText("order_reference", std::string(65, 'a'), 64))->limit == "at most 64 bytes");
  CHECK(!CheckText("order_reference", "a\x01", 64).ok());
  CHECK(!CheckText("order_reference", "\xc0\xaf", 64).ok());
  CHECK(!CheckText("order_reference", "\xed\xa0\x80", 64).ok());
  CHECK(DetailOf(CheckRequiredText("order_reference", "", 64))->field == "order_reference");
  const std::string card = Card("555555555555444");
  const absl::Status refused = CheckText("order_reference", card, 64);
  CHECK(DetailOf(refused)->code == "card_data_refused");
  CHECK(std::string(refused.message()).find(card) == std::string::npos);
}

TEST_CASE("metadata is bounded, and a number spread over its values is found") {
  CHECK(CheckMetadata("metadata", {{"branch", "12"}}).ok());
  CHECK(!CheckMetadata("metadata", {{"bad key", "12"}}).ok());
  CHECK(!CheckMetadata("metadata", {{"", "12"}}).ok());
  CHECK(!CheckMetadata("metadata", {{"k", std::string(201, 'x')}}).ok());
  std::map<std::string, std::string> many;
  for (int i = 0; i < 21; ++i) many["k" + std::to_string(i)] = "v";
  CHECK(!CheckMetadata("metadata", many).ok());
  const std::string card = Card("411111111111111");
  const absl::Status spread = CheckMetadata("metadata", {{"a", card.substr(0, 8)}, {"b", card.substr(8)}});
  CHECK(DetailOf(spread)->code == "card_data_refused");
  CHECK(DetailOf(CheckMetadata("metadata", {{card, "v"}}))->code == "card_data_refused");
}

}  // namespace
}  // namespace flattone::session
