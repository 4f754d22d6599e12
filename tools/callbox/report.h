// JSON lines on standard output: one object per line, whole lines from whatever thread.
#pragma once

#include <string>
#include <string_view>

#include "tools/callbox/engine.h"

namespace flattone::call {

class Report {
 public:
  // {"type":TYPE,"call":CALL,"time":...} and the members of `members`, a JSON object or empty.
  void Line(std::string_view type, std::string_view call, const std::string& members = "");
  // An error of a call: counted too.
  void Error(std::string_view call, std::string_view step, std::string_view message);
  int64_t errors() const { return errors_.load(); }

 private:
  std::mutex mutex_;
  std::atomic<int64_t> errors_{0};
};

// Statistics of one side as a JSON object.
std::string LegJson(const Leg& leg);
// {"name": "text"} with the text escaped.
std::string Member(std::string_view name, std::string_view text);

}  // namespace flattone::call
