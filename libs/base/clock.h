// Time comes in by constructor. Production passes SystemClock(), tests pass testing::FakeClock.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace flattone {

class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time, for records and expiry that people read. Any thread.
  virtual absl::Time Now() const = 0;
  // Nanoseconds that never go backwards, for deadlines and intervals. Any thread.
  virtual int64_t MonotonicNanos() const = 0;
};

// The machine's clock; lives for the whole process.
const Clock& SystemClock();

}  // namespace flattone
