// What a process tells about itself: memory, CPU, open files, bugs met. Private to libs/daemon.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libs/obs/metrics.h"

namespace flattone::daemon {

class SelfMetrics {
 public:
  SelfMetrics(obs::Registry& registry, const std::string& service, const std::string& version);
  ~SelfMetrics();

 private:
  std::vector<std::unique_ptr<obs::GaugeFunction>> gauges_;
};

}  // namespace flattone::daemon
