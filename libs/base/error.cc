#include "libs/base/error.h"

#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace flattone {
namespace {
// Fields are joined by a byte that no text contains.
constexpr char kSeparator = '\x1f';
constexpr char kUrl[] = "flattone.common.v1.ErrorDetail";
}  // namespace

absl::Status Refusal(absl::StatusCode code, ErrorDetail detail, std::string_view message) {
  absl::Status status(code, absl::string_view(message.data(), message.size()));
  const std::vector<std::string> parts = {detail.code, detail.field, detail.limit, detail.fix};
  status.SetPayload(kUrl, absl::Cord(absl::StrJoin(parts, std::string(1, kSeparator))));
  return status;
}

absl::Status InvalidField(std::string_view field, std::string_view what, std::string_view limit) {
  std::string message = absl::StrCat(std::string(field), " ", std::string(what), "; it must be ", std::string(limit));
  return Refusal(absl::StatusCode::kInvalidArgument,
                 {.code = "invalid_field", .field = std::string(field), .limit = std::string(limit), .fix = {}}, message);
}

std::optional<ErrorDetail> DetailOf(const absl::Status& status) {
  auto payload = status.GetPayload(kUrl);
  if (!payload.has_value()) return std::nullopt;
  std::vector<std::string> parts = absl::StrSplit(std::string(*payload), kSeparator);
  if (parts.size() != 4) return std::nullopt;
  return ErrorDetail{parts[0], parts[1], parts[2], parts[3]};
}

}  // namespace flattone
