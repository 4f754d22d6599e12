// How a capture refuses what its state does not allow. Private to this room.
#pragma once

#include <string>
#include <string_view>

#include "libs/base/error.h"

namespace flattone::vault {

inline absl::Status CaptureRefusal(std::string_view code, std::string_view message, std::string_view field = {}, std::string_view fix = {}) {
  return Refusal(absl::StatusCode::kFailedPrecondition,
                 {.code = std::string(code), .field = std::string(field), .limit = {}, .fix = std::string(fix)}, message);
}

}  // namespace flattone::vault
