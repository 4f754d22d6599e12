#include "services/gateway-adapter/resolve/schedule.h"

#include <algorithm>
#include <iterator>

namespace flattone::gateway {

int64_t NextAsk(int64_t unknown_since_us, int asked, int64_t now_us) {
  static constexpr int64_t kSeconds[] = {2, 5, 10, 60, 300, 3600};
  static constexpr int64_t kDay = 86'400, kMicros = 1'000'000;
  if (asked < static_cast<int>(std::size(kSeconds))) {
    // After an outage the missed questions are not all asked at once.
    return std::max(unknown_since_us + kSeconds[asked] * kMicros, now_us + (asked == 0 ? 0 : kMicros));
  }
  return now_us + kDay * kMicros;
}

}  // namespace flattone::gateway
