// For a test that cannot run, or judges less, for what the machine lacks: it says so, and fails where every test is asked
// for (tools/test sets FLATTONE_TEST_ALL), so that a promise does not leave the gate in silence.
#pragma once

#include <cstdlib>
#include <string>

#include "libs/testing/catch.h"

namespace flattone::testing {

inline void LeftOut(const std::string& why) {
  WARN(why);
  INFO(why);
  CHECK(std::getenv("FLATTONE_TEST_ALL") == nullptr);
}

}  // namespace flattone::testing
