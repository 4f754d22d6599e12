#include "services/session-orchestration/session/free_text.h"

#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::session {
namespace {

constexpr size_t kMinPan = 13;
constexpr size_t kMaxPan = 19;
constexpr size_t kMaxSeparators = 3;  // in a row, between two digits

bool Luhn(const uint8_t* digits, size_t count) {
  unsigned sum = 0;
  for (size_t i = 0; i < count; ++i) {
    unsigned digit = digits[count - 1 - i];
    if (i % 2 == 1 && (digit *= 2) > 9) digit -= 9;
    sum += digit;
  }
  return sum % 10 == 0;
}

// Lengths and prefixes that schemes issue: only these are looked for inside longer runs of digits, where
// one window in ten passes Luhn by chance.
bool CardLike(const uint8_t* d, size_t count) {
  const unsigned two = d[0] * 10u + d[1];
  if (d[0] == 4) return count == 13 || count == 16 || count == 19;
  if (two >= 51 && two <= 55) return count == 16;
  if (two >= 22 && two <= 27) return count == 16;
  if (two == 34 || two == 37) return count == 15;
  if (two == 36 || two == 38 || two == 30) return count == 14;
  return (two == 35 || two == 60 || two == 62 || two == 64 || two == 65) && count == 16;
}

bool RunHoldsPan(const std::vector<uint8_t>& run) {
  if (run.size() < kMinPan) return false;
  if (run.size() <= kMaxPan && Luhn(run.data(), run.size())) return true;
  for (size_t start = 0; start + kMinPan <= run.size(); ++start) {
    for (size_t count = kMinPan; count <= kMaxPan && start + count <= run.size(); ++count) {
      if (CardLike(&run[start], count) && Luhn(&run[start], count)) return true;
    }
  }
  return false;
}

struct Symbol {
  char32_t point;
  size_t bytes;  // 0: not UTF-8
};

Symbol Decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t length = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xc2 && lead < 0xe0 ? 2 : 0;
  if (length == 0 || text.size() < length) return {0, 0};
  char32_t point = lead & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0u) != 0x80u) return {0, 0};
    point = (point << 6) | (byte(i) & 0x3fu);
  }
  const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  if (overlong || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return {0, 0};
  return {point, length};
}

// The value of a decimal digit in the scripts that keyboards have, or -1.
int DigitOf(char32_t point) {
  for (const char32_t zero : {U'0', U'\uff10', U'\u0660', U'\u06f0', U'\u0966'}) {
    if (point >= zero && point < zero + 10) return static_cast<int>(point - zero);
  }
  return -1;
}

bool IsSeparator(char32_t point) {
  switch (point) {
    case U' ': case U'-': case U'.': case U'_': case U'/': case U'\\': case U',': case U'*': case U'|': case U'\t':
    case U'\u00a0': case U'\u00b7': case U'\u2022': case U'\u3000': case U'\ufeff':
      return true;
    default:
      return point >= 0x2000 && point <= 0x2015;  // typographic spaces, zero-width marks, dashes
  }
}

absl::Status CardData(std::string_view field) {
  return Refusal(absl::StatusCode::kInvalidArgument,
                 {.code = "card_data_refused", .field = std::string(field), .limit = "no card number",
                  .fix = "leave the card number out; the caller types it on the keypad"},
                 absl::StrCat(std::string(field), " contains what looks like a card number; it was refused and not stored"));
}

bool WellFormed(std::string_view text) {
  while (!text.empty()) {
    const Symbol symbol = Decode(text);
    if (symbol.bytes == 0 || symbol.point == 0x7f || (symbol.point < 0x20 && symbol.point != '\t' && symbol.point != '\n')) return false;
    text.remove_prefix(symbol.bytes);
  }
  return true;
}

bool KeyCharacters(std::string_view key) {
  for (char c : key) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
    if (!good) return false;
  }
  return !key.empty() && key.size() <= kMaxMetadataKey;
}

}  // namespace

bool LooksLikePan(std::string_view text) {
  std::vector<uint8_t> run;
  size_t separators = 0;
  while (!text.empty()) {
    const Symbol symbol = Decode(text);
    const int digit = symbol.bytes == 0 ? -1 : DigitOf(symbol.point);
    if (digit >= 0) {
      run.push_back(static_cast<uint8_t>(digit));
      separators = 0;
    } else if (symbol.bytes == 0 || !IsSeparator(symbol.point) || ++separators > kMaxSeparators) {
      if (RunHoldsPan(run)) return true;
      run.clear();
      separators = 0;
    }
    text.remove_prefix(symbol.bytes == 0 ? 1 : symbol.bytes);
  }
  return RunHoldsPan(run);
}

absl::Status CheckText(std::string_view field, std::string_view text, size_t max) {
  if (text.size() > max) {
    return InvalidField(field, absl::StrCat("has ", text.size(), " bytes"), absl::StrCat("at most ", max, " bytes"));
  }
  if (!WellFormed(text)) return InvalidField(field, "is not plain text", "UTF-8 without control characters");
  return LooksLikePan(text) ? CardData(field) : absl::OkStatus();
}

absl::Status CheckRequiredText(std::string_view field, std::string_view text, size_t max) {
  if (text.empty()) return InvalidField(field, "is missing", absl::StrCat("1 to ", max, " bytes of text"));
  return CheckText(field, text, max);
}

absl::Status CheckMetadata(std::string_view field, const std::map<std::string, std::string>& metadata) {
  if (metadata.size() > kMaxMetadataEntries) {
    return InvalidField(field, absl::StrCat("has ", metadata.size(), " entries"), absl::StrCat("at most ", kMaxMetadataEntries, " entries"));
  }
  std::string joined;
  for (const auto& [key, value] : metadata) {
    if (!KeyCharacters(key)) return InvalidField(field, "has a key that cannot be used", "keys of 1 to 40 characters of [a-zA-Z0-9_.-]");
    if (LooksLikePan(key)) return CardData(field);
    const absl::Status good = CheckText(absl::StrCat(std::string(field), ".", key), value, kMaxMetadataValue);
    if (!good.ok()) return good;
    absl::StrAppend(&joined, value, " ");
  }
  return LooksLikePan(joined) ? CardData(field) : absl::OkStatus();
}

}  // namespace flattone::session
