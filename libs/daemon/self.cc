#include "libs/daemon/self.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "libs/base/check.h"

namespace flattone::daemon {
namespace {

double ResidentBytes() {
  long total = 0, resident = 0;
  if (FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld %ld", &total, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double OpenFiles() {
  std::error_code error;
  double count = 0;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", error); !error && it != std::filesystem::directory_iterator();
       it.increment(error)) {
    ++count;
  }
  return count;
}

}  // namespace

SelfMetrics::SelfMetrics(obs::Registry& registry, const std::string& service, const std::string& version) {
  auto add = [&](const char* name, const char* help, std::function<double()> read, const obs::Labels& labels = {}) {
    gauges_.push_back(std::make_unique<obs::GaugeFunction>(registry, name, help, std::move(read), labels));
  };
  add("flattone_process_resident_bytes", "Resident memory", &ResidentBytes);
  add("flattone_process_cpu_seconds", "CPU time used, user and system", &CpuSeconds);
  add("flattone_process_open_files", "Open file descriptors", &OpenFiles);
  add("flattone_bugs_total", "Cannot-happens that happened", [] { return static_cast<double>(BugCount()); });
  add("flattone_build_info", "Always 1; the labels tell", [] { return 1.0; }, {{"service", service}, {"version", version}});
}

SelfMetrics::~SelfMetrics() = default;

}  // namespace flattone::daemon
