#include "libs/http/path_template.h"

#include "libs/base/error.h"
#include "libs/http/url.h"

namespace flattone::http {
namespace {

absl::Status Malformed(std::string_view what) {
  return InvalidField("path template", what, "as google.api.http describes");
}

bool IsFieldPath(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  for (char c : text) {
    const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    if (!ok) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<PathTemplate> PathTemplate::Parse(std::string_view text) {
  PathTemplate out;
  out.text_ = std::string(text);
  if (text.empty() || text[0] != '/') return Malformed("does not begin with '/'");
  const size_t last_brace = text.rfind('}');
  const size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && (last_brace == std::string_view::npos || colon > last_brace) &&
      text.find('/', colon) == std::string_view::npos) {
    out.verb_ = std::string(text.substr(colon + 1));
    text = text.substr(0, colon);
    if (out.verb_.empty()) return Malformed("has an empty verb");
  }
  text.remove_prefix(1);
  int variable = -1;  // the variable whose braces are open
  while (true) {
    if (variable < 0 && !text.empty() && text[0] == '{') {
      const size_t end = text.find_first_of("=}");
      if (end == std::string_view::npos) return Malformed("has an open brace");
      const std::string_view name = text.substr(1, end - 1);
      if (!IsFieldPath(name)) return Malformed("has a malformed field path");
      variable = static_cast<int>(out.names_.size());
      out.names_.emplace_back(name);
      const bool has_pattern = text[end] == '=';
      if (has_pattern && text.substr(end + 1, 1) == "}") return Malformed("has an empty pattern");
      text.remove_prefix(has_pattern ? end + 1 : end);
      if (!has_pattern) {
        out.segments_.push_back({Segment::kOne, "", variable});
        if (text.empty() || text[0] != '}') return Malformed("has an open brace");
      }
    }
    if (variable >= 0 && !text.empty() && text[0] == '}') {
      variable = -1;
      text.remove_prefix(1);
    } else {
      const size_t end = text.find_first_of("/}");
      const std::string_view segment = text.substr(0, end);
      if (segment.empty()) return Malformed("has an empty segment");
      if (segment.find_first_of("{=") != std::string_view::npos) return Malformed("has a nested brace");
      if (segment == "**") {
        out.segments_.push_back({Segment::kRest, "", variable});
      } else if (segment == "*") {
        out.segments_.push_back({Segment::kOne, "", variable});
      } else {
        out.segments_.push_back({Segment::kLiteral, std::string(segment), variable});
      }
      text.remove_prefix(segment.size());
      if (variable >= 0 && !text.empty() && text[0] == '}') {
        variable = -1;
        text.remove_prefix(1);
      }
    }
    if (text.empty()) break;
    if (text[0] != '/') return Malformed("has text behind a brace");
    if (out.segments_.back().kind == Segment::kRest) return Malformed("goes on after **");
    text.remove_prefix(1);
  }
  if (variable >= 0) return Malformed("has an open brace");
  return out;
}

std::optional<PathTemplate::Variables> PathTemplate::Match(std::string_view path) const {
  if (path.empty() || path[0] != '/') return std::nullopt;
  const size_t last_slash = path.rfind('/');
  const size_t colon = path.rfind(':');
  const bool has_verb = colon != std::string_view::npos && colon > last_slash;
  if (!verb_.empty()) {
    if (!has_verb || path.substr(colon + 1) != verb_) return std::nullopt;
    path = path.substr(0, colon);
  } else if (has_verb) {
    return std::nullopt;  // ids hold no ':'; a client that means one writes %3A
  }
  path.remove_prefix(1);
  Variables variables;
  for (const std::string& name : names_) variables.emplace_back(name, std::string());
  bool more = true;
  for (const Segment& segment : segments_) {
    if (!more) return std::nullopt;
    std::string_view raw = path;
    if (segment.kind == Segment::kRest) {
      more = false;
    } else {
      const size_t slash = path.find('/');
      raw = path.substr(0, slash);
      more = slash != std::string_view::npos;
      path = more ? path.substr(slash + 1) : std::string_view();
    }
    if (raw.empty()) return std::nullopt;
    auto decoded = PercentDecode(raw, false);
    if (!decoded.has_value()) return std::nullopt;
    if (segment.kind == Segment::kLiteral && *decoded != segment.literal) return std::nullopt;
    if (segment.variable >= 0) {
      std::string& value = variables[static_cast<size_t>(segment.variable)].second;
      if (!value.empty()) value.push_back('/');
      value += *decoded;
    }
  }
  if (more) return std::nullopt;
  return variables;
}

std::vector<std::string> PathTemplate::VariableNames() const { return names_; }

}  // namespace flattone::http
