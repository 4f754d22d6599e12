// The verdict as one JSON object (flags and members: judge --help).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "tools/judge/compare.h"

namespace flattone::judge {

struct ReportOptions {
  bool digits = false;      // also say which digits: for test cards only
  double flat_tone_hz = 425;
};

// What one recording holds.
std::string ReportSound(std::span<const int16_t> sound, const std::string& name, const ReportOptions& options);
std::string ReportComparison(const Comparison& comparison);

}  // namespace flattone::judge
