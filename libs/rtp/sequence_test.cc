#include "libs/rtp/sequence.h"

#include "libs/testing/catch.h"

namespace flattone::rtp {
namespace {

TEST_CASE("Sequence numbers compare across the wrap") {
  CHECK(SequenceDistance(2, 0xfffe) == 4);
  CHECK(SequenceDistance(0xfffe, 2) == -4);
  CHECK(SequenceNewer(0, 0xffff));
  CHECK_FALSE(SequenceNewer(0xffff, 0));
  CHECK_FALSE(SequenceNewer(7, 7));
}

TEST_CASE("Timestamps compare across the wrap") {
  CHECK(TimestampDistance(80, 0xffffffb0u) == 160);
  CHECK(TimestampNewer(80, 0xffffffb0u));
  CHECK_FALSE(TimestampNewer(0xffffffb0u, 80));
}

TEST_CASE("Unwrapped numbers go on across the wrap and accept what comes late") {
  SequenceUnwrapper sequence;
  const int64_t first = sequence.Unwrap(0xffff);
  CHECK(sequence.Unwrap(1) == first + 2);
  CHECK(sequence.Unwrap(0) == first + 1);
  CHECK(sequence.Unwrap(0xfff0) == first - 15);

  TimestampUnwrapper timestamp;
  const int64_t start = timestamp.Unwrap(10);
  CHECK(start >= 0);
  CHECK(timestamp.Unwrap(0xffffffffu) == start - 11);
  CHECK(timestamp.Unwrap(170) == start + 160);
}

}  // namespace
}  // namespace flattone::rtp
