#include "services/session-orchestration/store/page.h"

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::session {
namespace {

absl::Status NotOurs() { return InvalidField("page_token", "is not one that a list has given", "the next_page_token of the answer before, or empty"); }

}  // namespace

absl::Status CheckPageSize(uint32_t page_size) {
  return page_size <= 200 ? absl::OkStatus() : InvalidField("page_size", absl::StrCat("is ", page_size), "1 to 200, or 0 for 50");
}

std::string PageToken(const PageMark& mark) { return absl::WebSafeBase64Escape(absl::StrCat(mark.at, ":", mark.id)); }

absl::StatusOr<PageMark> ReadPageToken(const std::string& token) {
  PageMark mark;
  if (token.empty()) return mark;
  std::string text;
  const size_t colon = token.size() <= 256 && absl::WebSafeBase64Unescape(token, &text) ? text.find(':') : std::string::npos;
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(0, colon), &mark.at)) return NotOurs();
  mark.id = text.substr(colon + 1);
  // A database refuses text with NUL; ids are printable.
  for (char c : mark.id) {
    if (c <= ' ' || c > '~') return NotOurs();
  }
  return mark;
}

}  // namespace flattone::session
