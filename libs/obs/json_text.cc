#include "libs/obs/json_text.h"

#include <cstdint>

namespace flattone::obs {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool Luhn(std::string_view digits) {
  int sum = 0;
  bool twice = false;
  for (size_t i = digits.size(); i-- > 0; twice = !twice) {
    int d = digits[i] - '0';
    if (twice) d = d * 2 > 9 ? d * 2 - 9 : d * 2;
    sum += d;
  }
  return sum % 10 == 0;
}

// Bytes of the UTF-8 sequence at text[i], 0 when it is not valid there.
size_t SequenceLength(std::string_view text, size_t i) {
  const auto lead = static_cast<uint8_t>(text[i]);
  const size_t n = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
  if (n == 0 || i + n > text.size()) return 0;
  for (size_t k = 1; k < n; ++k) {
    if ((static_cast<uint8_t>(text[i + k]) & 0xc0) != 0x80) return 0;
  }
  if (n > 1) {
    const auto second = static_cast<uint8_t>(text[i + 1]);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second >= 0x90)) {
      return 0;
    }
  }
  return n;
}

void AppendEscaped(std::string& out, char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) {
    out += "\\u00";
    out += kHex[static_cast<uint8_t>(c) >> 4];
    out += kHex[c & 15];
  } else {
    out += c;
  }
}

}  // namespace

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size();) {
    const size_t n = SequenceLength(text, i);
    if (n == 0) out += "\xef\xbf\xbd";
    else if (n == 1) AppendEscaped(out, text[i]);
    else out.append(text.substr(i, n));
    i += n == 0 ? 1 : n;
  }
  out += '"';
  return out;
}

bool RemoveCardShapedNumbers(std::string& text) {
  bool changed = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!IsDigit(text[i])) continue;
    std::string digits;
    size_t end = i;
    for (size_t k = i; k < text.size(); ++k) {
      if (IsDigit(text[k])) {
        digits += text[k];
        end = k + 1;
      } else if ((text[k] != ' ' && text[k] != '-') || k + 1 >= text.size() || !IsDigit(text[k + 1])) {
        break;
      }
    }
    if (digits.size() >= 13 && digits.size() <= 19 && Luhn(digits)) {
      static constexpr std::string_view kInstead = "[number removed]";
      text.replace(i, end - i, kInstead);
      i += kInstead.size() - 1;
      changed = true;
    } else {
      i = end - 1;
    }
  }
  return changed;
}

}  // namespace flattone::obs
