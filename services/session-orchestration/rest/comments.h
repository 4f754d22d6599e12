// The comments of the contracts, by full name of what they stand above.
#pragma once

#include <string>

namespace flattone::session::rest {

// Leading comment, or the trailing one of the same line, as one paragraph each; empty when there is none.
std::string CommentOf(const std::string& full_name);

}  // namespace flattone::session::rest
