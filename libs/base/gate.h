// Named hold points for tests: a process stops at one until the test lets it go on, so that kill −9 and STOP
// can hit it exactly there.
//
//   gates.Reach("attempt_committed");     // production: one comparison, no directory was given
//
// A process gets gates only when its operator says so twice: --allow-test-gates and --test-gates=DIR (main.cc).
// In DIR the test creates `<gate>.hold`. A process that comes to an armed gate creates `<gate>.reached` (its
// content: the process id) and waits until `<gate>.go` exists or `<gate>.hold` is gone, at most ten minutes.
#pragma once

#include <string>
#include <string_view>

namespace flattone {

class Gates {
 public:
  // No gates: Reach never waits.
  Gates() = default;
  // `directory` exists and belongs to the test.
  explicit Gates(std::string directory) : directory_(std::move(directory)) {}

  bool enabled() const { return !directory_.empty(); }
  // Any thread; blocks while the test holds the gate.
  void Reach(std::string_view gate) const;

 private:
  std::string directory_;
};

}  // namespace flattone
