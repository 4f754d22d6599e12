#include "libs/testing/fakes.h"

namespace flattone::testing {

FakeClock::FakeClock() : now_(absl::FromUnixSeconds(1'767'225'600)), nanos_(1'000'000'000) {}

void FakeClock::Advance(absl::Duration by) {
  now_ += by;
  nanos_ += absl::ToInt64Nanoseconds(by);
}

void SeededRandom::Fill(std::span<uint8_t> out) {
  for (uint8_t& byte : out) {
    state_ += 0x9e3779b97f4a7c15ULL;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    byte = static_cast<uint8_t>((z ^ (z >> 31)) >> 24);
  }
}

}  // namespace flattone::testing
