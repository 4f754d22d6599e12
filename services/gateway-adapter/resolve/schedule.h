// When a PSP is asked about an UNKNOWN attempt: 2, 5 and 10 s after it became unknown, while the caller waits,
// then after 1 min, 5 min, 1 h, then daily. Pure; the ledger keeps the result, so a restart goes on.
#pragma once

#include <cstdint>

namespace flattone::gateway {

// The time of the next question after `asked` of them, never in the past. Microseconds since 1970.
int64_t NextAsk(int64_t unknown_since_us, int asked, int64_t now_us);

}  // namespace flattone::gateway
