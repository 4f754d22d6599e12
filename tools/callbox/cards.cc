#include "tools/callbox/cards.h"

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace flattone::call {
namespace {

bool AllDigits(const std::string& text, size_t least, size_t most) {
  return text.size() >= least && text.size() <= most &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

absl::Status Wrong(int line, const char* word) {
  return absl::InvalidArgumentError(
      absl::StrCat("cards, line ", line, ": ", word, " is wrong; a line is NUMBER MMYY CODE [POSTCODE], digits only"));
}

}  // namespace

char CheckDigit(std::string_view number) {
  int sum = 0;
  for (size_t i = 0; i < number.size(); ++i) {
    int digit = number[number.size() - 1 - i] - '0';
    if (i % 2 == 0) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return static_cast<char>('0' + (10 - sum % 10) % 10);
}

Card MakeCard(std::string_view prefix, int length, uint64_t seed, uint64_t index) {
  std::mt19937_64 random(seed * 0x9E3779B97F4A7C15ull + index);
  Card card;
  card.number = std::string(prefix);
  while (static_cast<int>(card.number.size()) < length - 1) card.number.push_back(static_cast<char>('0' + random() % 10));
  card.number.push_back(CheckDigit(card.number));
  const auto month = static_cast<int>(1 + random() % 12), year = static_cast<int>(32 + random() % 8);
  card.expiry = absl::StrCat(month < 10 ? "0" : "", month, year);
  for (int i = 0; i < (length == 15 ? 4 : 3); ++i) card.code.push_back(static_cast<char>('0' + random() % 10));
  return card;
}

absl::StatusOr<std::vector<Card>> ParseCards(std::string_view text) {
  std::vector<Card> cards;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    ++number;
    const std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    if (words.size() < 3 || words.size() > 4) return Wrong(number, "the number of words");
    if (!AllDigits(words[0], 12, 19)) return Wrong(number, "NUMBER");
    if (!AllDigits(words[1], 4, 4)) return Wrong(number, "MMYY");
    if (!AllDigits(words[2], 3, 4)) return Wrong(number, "CODE");
    if (words.size() == 4 && !AllDigits(words[3], 1, 10)) return Wrong(number, "POSTCODE");
    cards.push_back({words[0], words[1], words[2], words.size() == 4 ? words[3] : ""});
  }
  return cards;
}

std::vector<std::string> FieldKeys(const Card& card, bool end_with_hash) {
  std::vector<std::string> fields = {card.number, card.expiry, card.code};
  if (!card.postcode.empty()) fields.push_back(card.postcode);
  if (end_with_hash)
    for (std::string& field : fields) field += '#';
  return fields;
}

}  // namespace flattone::call
