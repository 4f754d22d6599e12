#include "services/dtmf-masking/stream/key_merger.h"

#include "libs/testing/catch.h"

namespace flattone::masking {
namespace {

TEST_CASE("tone and event of one press count once, whichever comes first") {
  KeyMerger a;
  CHECK(a.Tone(5, 1000));
  CHECK_FALSE(a.Event(5, 1300, 1900));
  KeyMerger b;
  CHECK(b.Event(5, 1300, 1900));
  CHECK_FALSE(b.Tone(5, 1000));
}

TEST_CASE("two presses of one key, each as tone and event, count twice at any offset") {
  for (const int64_t offset : {-300, 0, 300, 900}) {
    KeyMerger m;
    int presses = 0;
    presses += m.Tone(5, 1000);
    presses += m.Event(5, 1000 + offset, 1320 + offset);
    presses += m.Tone(5, 1640);
    presses += m.Event(5, 1640 + offset, 1960 + offset);
    CHECK(presses == 2);
  }
}

TEST_CASE("another key, or the same one much later, is another press") {
  KeyMerger m;
  CHECK(m.Tone(5, 1000));
  CHECK(m.Event(6, 1000, 1400));
  CHECK(m.Event(5, 9000, 9400));
}

TEST_CASE("a tone torn in two by loss is one press of its event") {
  KeyMerger m;
  CHECK(m.Event(5, 1000, 1160));
  CHECK_FALSE(m.Tone(5, 1000));
  m.ExtendEvent(5, 1000, 9000);
  CHECK_FALSE(m.Tone(5, 5000));
}

TEST_CASE("what is over is forgotten") {
  KeyMerger m;
  CHECK(m.Tone(5, 1000));
  m.Forget(1000 + 5 * KeyMerger::kApart);
  CHECK(m.Event(5, 1000, 1400));
}

}  // namespace
}  // namespace flattone::masking
