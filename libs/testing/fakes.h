// Fakes that every test may use: a clock that moves when told, randomness that repeats.
#pragma once

#include <cstdint>
#include <span>

#include "libs/base/clock.h"
#include "libs/base/random.h"

namespace flattone::testing {

class FakeClock final : public Clock {
 public:
  // Starts at 2026-01-01T00:00:00Z and monotonic 1 s.
  FakeClock();
  absl::Time Now() const override { return now_; }
  int64_t MonotonicNanos() const override { return nanos_; }
  void Advance(absl::Duration by);

 private:
  absl::Time now_;
  int64_t nanos_;
};

// SplitMix64 from a seed: the same bytes in every run. Never for keys that leave a test.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  void Fill(std::span<uint8_t> out) override;

 private:
  uint64_t state_;
};

}  // namespace flattone::testing
