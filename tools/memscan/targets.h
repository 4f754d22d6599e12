// Where is looked: the memory of a running process, and files.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/memscan/finder.h"

namespace flattone::memscan {

struct Mapping {
  uint64_t begin = 0, end = 0;
  std::string access;  // "rw-p"
  std::string name;    // "[heap]", a path, or empty
  bool empty = false;  // no page of it is in memory or in swap
};
// Of /proc/PID/maps or, which also tells what is empty, /proc/PID/smaps.
std::vector<Mapping> ParseMaps(const std::string& text);
// A sanitizer's map of which memory may be touched: terabytes of address space that hold nothing of what the process knows.
bool IsSanitizerShadow(const Mapping& mapping);

// One finding with the mapping or file where it lies.
struct Place {
  std::string where;
  Finding finding;
};
struct Report {
  std::vector<Place> places;
  int64_t coincidences = 0;
  bool canary = false;
  uint64_t bytes = 0;
};

// All pages that the process holds, whatever their protection (locked arenas and guard pages too), while it runs on;
// but not those of read-only private mappings of a file that are still what the file says.
// PERMISSION_DENIED where ptrace would be refused: a card-zone process can be read by root only.
absl::StatusOr<Report> ScanProcess(pid_t pid, const Finder& finder);
// The bytes of a file, deleted rows of a database included.
absl::StatusOr<Report> ScanFile(const std::string& path, const Finder& finder);

}  // namespace flattone::memscan
