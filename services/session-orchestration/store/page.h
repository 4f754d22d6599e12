// Page sizes and tokens of lists. Tokens: where a list goes on. Opaque to clients; newest first by (time, id), so that rows which appear
// meanwhile neither repeat nor hide others.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/statusor.h"

namespace flattone::session {

// page_size as the contract has it: 1 to 200, 0: 50. INVALID_ARGUMENT (page_size) for more.
absl::Status CheckPageSize(uint32_t page_size);
inline int PageSize(uint32_t page_size) { return page_size == 0 ? 50 : static_cast<int>(page_size); }

struct PageMark {
  int64_t at = std::numeric_limits<int64_t>::max();
  std::string id;
};
std::string PageToken(const PageMark& mark);
// The beginning when empty. INVALID_ARGUMENT (page_token) when it is not one of ours.
absl::StatusOr<PageMark> ReadPageToken(const std::string& token);

}  // namespace flattone::session
