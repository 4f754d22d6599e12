#include "tools/memscan/wanted.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace flattone::memscan {
namespace {

bool AllDigits(const std::string& text, size_t least, size_t most) {
  return text.size() >= least && text.size() <= most &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The characters of the base64 text of `text` that do not depend on the `before` bytes in front or on what follows.
std::string Base64Core(const std::string& text, size_t before) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<int> bits(before * 8, 0);
  for (char c : text)
    for (int i = 7; i >= 0; --i) bits.push_back(c >> i & 1);
  std::string out;
  for (size_t first = (before * 8 + 5) / 6 * 6; first + 6 <= bits.size(); first += 6) {
    int value = 0;
    for (size_t i = 0; i < 6; ++i) value = value * 2 + bits[first + i];
    out.push_back(kAlphabet[value]);
  }
  return out;
}

std::string Bcd(std::string_view digits, bool low_first) {
  std::string out;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    const int a = digits[i] - '0', b = digits[i + 1] - '0';
    out.push_back(static_cast<char>(low_first ? b << 4 | a : a << 4 | b));
  }
  return out;
}

std::string Hex(std::string_view digits) {
  std::string out;
  for (char c : digits) out += {'3', c};
  return out;
}

std::string Integer(uint64_t value, bool big_endian) {
  std::string out;
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(value >> 8 * (big_endian ? 7 - i : i)));
  return out;
}

// Packed, some bytes are few: rows of zeros or of one pair of digits ("BBBBBB" in ASCII is 42 42 42 …) are everywhere.
bool TellsInBcd(std::string_view digits) {
  const std::set<char> distinct(digits.begin(), digits.end());
  return distinct.size() >= 4 && std::count(digits.begin(), digits.end(), '0') <= 4;
}

// Text in ASCII too: five bytes of it stand in any process, six of a given text hardly.
bool ReadsAsText(std::string_view packed) {
  return std::all_of(packed.begin(), packed.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

void AddWindows(const std::string& typed, std::vector<Pattern>& out) {
  for (size_t i = 0; i + kWindow <= typed.size(); ++i) {
    const std::string window = typed.substr(i, kWindow);
    if (IsWeak(window)) continue;
    for (size_t before = 0; before < 3; ++before) out.push_back({Base64Core(window, before), "base64", kWindow});
    out.push_back({Hex(window), "hexadecimal", kWindow});
  }
  for (const size_t length : {kBcdWindow, kBcdWindow + 2}) {
    for (size_t i = 0; i + length <= typed.size(); ++i) {
      const std::string_view window = std::string_view(typed).substr(i, length);
      if (!TellsInBcd(window)) continue;
      for (const bool low_first : {false, true}) {
        std::string packed = Bcd(window, low_first);
        if (length == kBcdWindow && ReadsAsText(packed)) continue;
        out.push_back({std::move(packed), low_first ? "bcd, low nibble first" : "bcd", static_cast<int>(length)});
      }
    }
  }
}

void AddGroups(const std::string& number, std::vector<Pattern>& out) {
  const std::vector<size_t> sizes = number.size() == 15 ? std::vector<size_t>{4, 6, 5} : std::vector<size_t>{4, 4, 4, 4};
  std::vector<std::string> groups;
  for (size_t at = 0, i = 0; at < number.size() && i < sizes.size(); at += sizes[i++])
    groups.push_back(number.substr(at, sizes[i]));
  for (size_t i = 0; i + 1 < groups.size(); ++i) {
    if (IsWeak((groups[i] + groups[i + 1]).substr(0, kWindow))) continue;
    for (const char* separator : {" ", "-"})
      out.push_back({groups[i] + separator + groups[i + 1], "groups", static_cast<int>(groups[i].size() + groups[i + 1].size())});
  }
}

void AddCode(const std::string& code, std::vector<Pattern>& out) {
  if (code.empty()) return;
  const int digits = static_cast<int>(code.size());
  // libstdc++'s short string: its length in eight bytes, then the characters and a zero.
  out.push_back({Integer(code.size(), false) + code + std::string(1, '\0'), "code in a string", digits});
  for (const char* label : {"cvc=", "cvv=", "cvc]=", "cvc%5D=", "cvv]=", "cvc\":\"", "cvv\":\"", "cvc\": \"", "cvv\": \"",
                            "security_code\":\"", "securityCode\":\"", "security_code=", "code\":\""})
    out.push_back({label + code, "code with a label", digits});
}

}  // namespace

bool IsWeak(std::string_view window) {
  if (std::count(window.begin(), window.end(), '0') >= 4) return true;
  bool rising = true, falling = true, same = true;
  for (size_t i = 1; i < window.size(); ++i) {
    rising = rising && (window[i] == window[i - 1] + 1 || (window[i - 1] == '9' && window[i] == '0'));
    falling = falling && (window[i] == window[i - 1] - 1 || (window[i - 1] == '0' && window[i] == '9'));
    same = same && window[i] == window[0];
  }
  return rising || falling || same;
}

absl::StatusOr<Wanted> ParseWanted(std::string_view text) {
  Wanted wanted;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    ++number;
    std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    const bool card = words[0] == "card" && words.size() >= 2 && words.size() <= 4 && AllDigits(words[1], 12, 19) &&
                      (words.size() < 3 || AllDigits(words[2], 4, 4)) && (words.size() < 4 || AllDigits(words[3], 3, 4));
    const bool canary = words[0] == "canary" && words.size() == 2 && AllDigits(words[1], 12, 32);
    if (!card && !canary)
      return absl::InvalidArgumentError(absl::StrCat("line ", number, " of standard input must be 'card NUMBER [MMYY [CODE]]' or "
                                                     "'canary DIGITS' (12 to 32)"));
    words.resize(4);
    if (card) wanted.cards.push_back({words[1], words[2], words[3]});
    else wanted.canary = words[1];
  }
  return wanted;
}

std::vector<Pattern> PatternsOf(const Wanted& wanted) {
  std::vector<Pattern> patterns;
  for (const Wanted::Card& card : wanted.cards) {
    AddWindows(card.Typed(), patterns);
    AddGroups(card.number, patterns);
    AddCode(card.code, patterns);
    const uint64_t value = std::stoull(card.number);
    patterns.push_back({Integer(value, false), "64-bit integer", static_cast<int>(card.number.size())});
    patterns.push_back({Integer(value, true), "64-bit integer, big-endian", static_cast<int>(card.number.size())});
  }
  std::set<std::string> seen;
  std::erase_if(patterns, [&seen](const Pattern& pattern) { return !seen.insert(pattern.bytes).second; });
  return patterns;
}

}  // namespace flattone::memscan
