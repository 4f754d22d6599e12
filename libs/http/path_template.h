// Path templates of google.api.http: "/v1/sessions/{session_id}/payments/{payment_id}:refund".
// Matches raw request paths and yields the decoded variables.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace flattone::http {

class PathTemplate {
 public:
  // Literals, "*", "{field}", "{field.path}", "{field=*}", "{field=a/*}", "{field=**}" and a closing ":verb".
  // INVALID_ARGUMENT for what the grammar does not know.
  static absl::StatusOr<PathTemplate> Parse(std::string_view text);

  using Variables = std::vector<std::pair<std::string, std::string>>;
  // Variables, percent-decoded, when `path` (raw, without query) fits; nullopt when not.
  std::optional<Variables> Match(std::string_view path) const;

  const std::string& text() const { return text_; }
  const std::string& verb() const { return verb_; }
  std::vector<std::string> VariableNames() const;

 private:
  struct Segment {
    enum Kind { kLiteral, kOne, kRest } kind = kLiteral;
    std::string literal;
    int variable = -1;  // index into names_
  };
  std::string text_;
  std::string verb_;
  std::vector<Segment> segments_;
  std::vector<std::string> names_;
};

}  // namespace flattone::http
