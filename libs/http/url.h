// URLs, request targets and form fields: strict parsers of untrusted text, without I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace flattone::http {

struct Url {
  bool tls = true;
  std::string host;  // without brackets; a name, an IPv4 or an IPv6 address
  uint16_t port = 443;
  std::string target = "/";  // path and query as they go on the wire

  // "host" or "host:port" for the Host header; IPv6 in brackets, default ports left out.
  std::string Authority() const;
};

// http:// or https:// with a host, an optional port, path and query. INVALID_ARGUMENT for anything else:
// user information, fragments, control bytes, empty or over-long hosts, ports outside 1…65535.
absl::StatusOr<Url> ParseUrl(std::string_view text);

// Decodes %XX; nullopt on a broken escape or a NUL. With `plus_is_space`, '+' is a blank (forms and queries).
std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space);
// Encodes everything but unreserved characters (RFC 3986).
std::string PercentEncode(std::string_view text);

using Fields = std::vector<std::pair<std::string, std::string>>;

// "a=1&b=2" → fields in order; at most `max_fields`. INVALID_ARGUMENT on broken escapes or too many.
absl::StatusOr<Fields> ParseForm(std::string_view text, size_t max_fields = 256);

struct Target {
  std::string path;   // raw, still percent-encoded, begins with '/'
  std::string query;  // raw, without '?'
};
// Splits a request target in origin form; nullopt for other forms or control bytes.
std::optional<Target> ParseTarget(std::string_view text);

}  // namespace flattone::http
