// Commands on standard input: how a test or the demo plays the caller.
#include <iostream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/callbox/scenario.h"

namespace flattone::call {
namespace {

// keys DIGITS [LENGTH_MS [GAP_MS [DBM0]]]
absl::Status Keys(PhoneCall& call, const std::vector<std::string>& words, KeyStyle style) {
  if (words.size() < 2 || words.size() > 5) return absl::InvalidArgumentError("keys DIGITS [LENGTH_MS [GAP_MS [DBM0]]]");
  if (words.size() > 2 && (!absl::SimpleAtoi(words[2], &style.length_ms) || style.length_ms < 20 || style.length_ms > 60000))
    return absl::InvalidArgumentError("LENGTH_MS must be 20 to 60000");
  if (words.size() > 3 && (!absl::SimpleAtoi(words[3], &style.gap_ms) || style.gap_ms < 20 || style.gap_ms > 60000))
    return absl::InvalidArgumentError("GAP_MS must be 20 to 60000");
  if (words.size() > 4) {
    if (!absl::SimpleAtod(words[4], &style.low_dbm0) || style.low_dbm0 > 0 || style.low_dbm0 < -60)
      return absl::InvalidArgumentError("DBM0 must be -60 to 0");
    style.high_dbm0 = style.low_dbm0;
  }
  return call.Type(words[1], style);
}

absl::Status Command(PhoneCall& call, const std::vector<std::string>& words, const Options& options) {
  if (words[0] == "keys") return Keys(call, words, options.style);
  if (words[0] == "secure" && words.size() == 2) {
    call.MarkSecure(words[1] == "on");
    return absl::OkStatus();
  }
  if (words[0] == "hangup") {
    call.HangUp();
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("unknown command; there are keys, secure on|off, hangup");
}

}  // namespace

void RunControl(std::vector<std::unique_ptr<PhoneCall>>& calls, const Options& options, Report& report) {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    size_t index = 1;
    if (!words.empty() && words[0][0] == '@') {  // @2 keys ...: the second call
      if (!absl::SimpleAtoi(words[0].substr(1), &index)) index = 0;
      words.erase(words.begin());
    }
    if (words.empty()) continue;
    if (index < 1 || index > calls.size()) {
      report.Error("", "control", "no such call");
      continue;
    }
    PhoneCall& call = *calls[index - 1];
    const std::string what = words[0];
    if (absl::Status status = Command(call, words, options); !status.ok())
      report.Error(call.reference(), "control", std::string(status.message()));
    else
      report.Line("done", call.reference(), Member("command", what));
  }
}

}  // namespace flattone::call
