#include "libs/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace flattone {
namespace {
std::atomic<uint64_t> bugs{0};
}  // namespace

void Die(const char* file, int line, const char* what) {
  std::fprintf(stderr, "{\"level\":\"critical\",\"msg\":\"check failed: %s\",\"at\":\"%s:%d\"}\n", what, file, line);
  std::abort();
}

void ReportBug(const char* file, int line, const char* what) {
  bugs.fetch_add(1, std::memory_order_relaxed);
  if (file != nullptr) {
    std::fprintf(stderr, "{\"level\":\"error\",\"msg\":\"bug: %s\",\"at\":\"%s:%d\"}\n", what, file, line);
  }
}

uint64_t BugCount() { return bugs.load(std::memory_order_relaxed); }

}  // namespace flattone
