#include "libs/http/url.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::http {
namespace {

constexpr size_t kMaxUrl = 2048;

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsUnreserved(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

// No blanks, control bytes or bytes over 0x7e: what may stand in a request line.
bool IsLineText(std::string_view text) {
  for (char c : text) {
    if (c <= 0x20 || c > 0x7e) return false;
  }
  return true;
}

bool IsHost(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  for (char c : host) {
    if (!IsUnreserved(c) || c == '~') return false;
  }
  return true;
}

bool IsIpv6Text(std::string_view host) {
  if (host.size() < 2 || host.size() > 45) return false;
  for (char c : host) {
    if (HexValue(c) < 0 && c != ':' && c != '.') return false;
  }
  return host.find(':') != std::string_view::npos;
}

std::optional<uint16_t> ParsePort(std::string_view text) {
  if (text.empty() || text.size() > 5) return std::nullopt;
  uint32_t port = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    port = port * 10 + static_cast<uint32_t>(c - '0');
  }
  if (port == 0 || port > 65535) return std::nullopt;
  return static_cast<uint16_t>(port);
}

}  // namespace

std::string Url::Authority() const {
  std::string text = host.find(':') == std::string::npos ? host : absl::StrCat("[", host, "]");
  if (port != (tls ? 443 : 80)) absl::StrAppend(&text, ":", port);
  return text;
}

absl::StatusOr<Url> ParseUrl(std::string_view text) {
  constexpr std::string_view kLimit = "https://host[:port]/path, without user name and fragment";
  if (text.size() > kMaxUrl) return InvalidField("url", "is too long", "at most 2048 characters");
  if (!IsLineText(text)) return InvalidField("url", "holds blanks or control characters", kLimit);
  Url url;
  if (text.substr(0, 8) == "https://") {
    text.remove_prefix(8);
  } else if (text.substr(0, 7) == "http://") {
    text.remove_prefix(7);
    url.tls = false;
    url.port = 80;
  } else {
    return InvalidField("url", "has no https:// or http:// in front", kLimit);
  }
  if (text.find('#') != std::string_view::npos) return InvalidField("url", "has a fragment", kLimit);
  const size_t slash = text.find_first_of("/?");
  std::string_view authority = text.substr(0, slash);
  if (slash != std::string_view::npos) {
    url.target = std::string(text.substr(slash));
    if (url.target[0] == '?') url.target.insert(0, "/");
  }
  if (authority.find('@') != std::string_view::npos) return InvalidField("url", "has user information", kLimit);
  std::string_view port;
  bool has_port = false;
  if (!authority.empty() && authority[0] == '[') {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos || !IsIpv6Text(authority.substr(1, close - 1))) {
      return InvalidField("url", "has a malformed IPv6 address", kLimit);
    }
    url.host = std::string(authority.substr(1, close - 1));
    std::string_view rest = authority.substr(close + 1);
    if (!rest.empty() && rest[0] != ':') return InvalidField("url", "has a malformed host", kLimit);
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else {
    const size_t colon = authority.find(':');
    url.host = std::string(authority.substr(0, colon));
    has_port = colon != std::string_view::npos;
    if (has_port) port = authority.substr(colon + 1);
    if (!IsHost(url.host)) return InvalidField("url", "has a malformed host", kLimit);
  }
  if (has_port) {
    auto number = ParsePort(port);
    if (!number.has_value()) return InvalidField("url", "has a malformed port", "1 to 65535");
    url.port = *number;
  }
  return url;
}

std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = HexValue(text[i + 1]);
      const int low = HexValue(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      if (c == '\0') return std::nullopt;
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    out.push_back(c);
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    if (IsUnreserved(c)) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

absl::StatusOr<Fields> ParseForm(std::string_view text, size_t max_fields) {
  Fields fields;
  while (!text.empty()) {
    const size_t end = text.find('&');
    std::string_view pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (pair.empty()) continue;
    if (fields.size() == max_fields) {
      return InvalidField("query", "has too many fields", absl::StrCat("at most ", max_fields, " fields"));
    }
    const size_t equals = pair.find('=');
    auto name = PercentDecode(pair.substr(0, equals), true);
    auto value = equals == std::string_view::npos ? std::optional<std::string>(std::string())
                                                  : PercentDecode(pair.substr(equals + 1), true);
    if (!name.has_value() || !value.has_value()) {
      return InvalidField("query", "has a broken %-escape", "percent-encoded UTF-8");
    }
    fields.emplace_back(std::move(*name), std::move(*value));
  }
  return fields;
}

std::optional<Target> ParseTarget(std::string_view text) {
  if (text.empty() || text[0] != '/' || !IsLineText(text)) return std::nullopt;
  Target target;
  const size_t mark = text.find('?');
  target.path = std::string(text.substr(0, mark));
  if (mark != std::string_view::npos) target.query = std::string(text.substr(mark + 1));
  return target;
}

}  // namespace flattone::http
