// Three macros, no more:
//   FT_DCHECK(condition, what)  an invariant; dies in a debug build, nothing in a release build
//   FT_BUG(what)                "cannot happen": counted and logged once per place, the process goes on
//   FT_CHECK(condition, what)   dies; for start-up only
// Untrusted input is never checked with these: parsers return std::optional or StatusOr.
#pragma once

#include <atomic>
#include <cstdint>

namespace flattone {

[[noreturn]] void Die(const char* file, int line, const char* what);
void ReportBug(const char* file, int line, const char* what);
// How many bugs this process has met; exported as flattone_bugs_total.
uint64_t BugCount();

}  // namespace flattone

#define FT_CHECK(condition, what) \
  do {                            \
    if (!(condition)) [[unlikely]] ::flattone::Die(__FILE__, __LINE__, what); \
  } while (false)

#ifdef NDEBUG
#define FT_DCHECK(condition, what) static_cast<void>(0)
#else
#define FT_DCHECK(condition, what) FT_CHECK(condition, what)
#endif

#define FT_BUG(what)                                                    \
  do {                                                                  \
    static std::atomic<bool> reported{false};                           \
    ::flattone::ReportBug(reported.exchange(true) ? nullptr : __FILE__, __LINE__, what); \
  } while (false)
