// A gauge of something that comes and goes, such as one relay: its series ends with this handle. One handle per series.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "libs/obs/metrics.h"

namespace flattone::obs {

class PassingGauge {
 public:
  PassingGauge(Registry& registry, std::string_view name, std::string_view help, Labels labels);
  ~PassingGauge();
  PassingGauge(const PassingGauge&) = delete;
  PassingGauge& operator=(const PassingGauge&) = delete;
  void Set(double value) { gauge_.Set(value); }

 private:
  const std::shared_ptr<internal::Store> store_;
  const std::string name_;
  const Labels labels_;
  Gauge gauge_;
};

}  // namespace flattone::obs
