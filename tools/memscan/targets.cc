#include "tools/memscan/targets.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace flattone::memscan {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kPiece = 1 << 20;

void Merge(const std::string& where, Result&& result, Report& report) {
  for (Finding& finding : result.findings) report.places.push_back({where, std::move(finding)});
  report.coincidences += result.coincidences;
  report.canary = report.canary || result.canary;
  report.bytes += result.bytes;
}

// A page that is still what its file says: program text and the like, mapped private and not writable.
bool IsFilePage(uint64_t entry, const Mapping& mapping) {
  return (entry >> 61 & 1) != 0 && (mapping.access == "r-xp" || mapping.access == "r--p") && !mapping.name.empty() && mapping.name[0] == '/';
}

// Which pages of the mapping are in memory or in swap and may hold what the process made; all, where the kernel does
// not say.
std::vector<bool> HeldPages(int pagemap, const Mapping& mapping) {
  const size_t count = (mapping.end - mapping.begin) / kPage;
  std::vector<bool> held(count, false);
  std::vector<uint64_t> entries(8192);
  for (size_t done = 0; done < count;) {
    const size_t wanted = std::min(entries.size(), count - done);
    const ssize_t got = pread(pagemap, entries.data(), wanted * 8, static_cast<off_t>((mapping.begin / kPage + done) * 8));
    if (got <= 0) return std::vector<bool>(count, true);
    for (size_t i = 0; i < static_cast<size_t>(got) / 8; ++i) held[done + i] = (entries[i] >> 62) != 0 && !IsFilePage(entries[i], mapping);
    done += static_cast<size_t>(got) / 8;
  }
  return held;
}

// One row of pages; pieces overlap.
void ScanRange(int memory, uint64_t begin, uint64_t end, const Finder& finder, std::vector<uint8_t>& buffer, Result& result) {
  for (uint64_t at = begin; at < end;) {
    const size_t size = std::min<uint64_t>(kPiece, end - at);
    const ssize_t got = pread(memory, buffer.data(), size, static_cast<off_t>(at));
    if (got <= 0) {
      at += kPage;  // unmapped meanwhile, or a device
      continue;
    }
    finder.Look({buffer.data(), static_cast<size_t>(got)}, at, result);
    result.bytes += static_cast<uint64_t>(got);
    if (at + static_cast<uint64_t>(got) >= end) break;
    at += static_cast<uint64_t>(got) - std::min<uint64_t>(Finder::kOverlap, static_cast<uint64_t>(got) / 2);
  }
}

Result ScanMapping(int memory, int pagemap, const Mapping& mapping, const Finder& finder, std::vector<uint8_t>& buffer) {
  Result result;
  const std::vector<bool> held = HeldPages(pagemap, mapping);
  for (size_t page = 0; page < held.size();) {
    if (!held[page]) {
      ++page;
      continue;
    }
    size_t last = page;
    while (last < held.size() && held[last]) ++last;
    ScanRange(memory, mapping.begin + page * kPage, mapping.begin + last * kPage, finder, buffer, result);
    page = last;
  }
  return result;
}

}  // namespace

std::vector<Mapping> ParseMaps(const std::string& text) {
  std::vector<Mapping> mappings;
  uint64_t held = 0;  // of the newest mapping, KiB so far
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::string copy(line);
    unsigned long kib = 0;
    if (std::sscanf(copy.c_str(), "Rss: %lu kB", &kib) == 1 || std::sscanf(copy.c_str(), "Swap: %lu kB", &kib) == 1) {
      held += kib;
      if (!mappings.empty()) mappings.back().empty = held == 0;
      continue;
    }
    Mapping mapping;
    char access[8] = "";
    int name = 0;
    unsigned long begin, end;
    if (std::sscanf(copy.c_str(), "%lx-%lx %7s %*s %*s %*s %n", &begin, &end, access, &name) < 3) continue;
    mapping.begin = begin;
    mapping.end = end;
    mapping.access = access;
    held = 0;
    if (name > 0 && static_cast<size_t>(name) < copy.size()) mapping.name = copy.substr(static_cast<size_t>(name));
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

bool IsSanitizerShadow(const Mapping& mapping) {
  return mapping.end - mapping.begin >= uint64_t{1} << 40 && mapping.name.empty();
}

absl::StatusOr<Report> ScanProcess(pid_t pid, const Finder& finder) {
  const std::string folder = absl::StrCat("/proc/", pid);
  std::string text;
  for (const char* file : {"/smaps", "/maps"}) {  // some kernels have only the latter
    std::ifstream maps(folder + file);
    text.assign((std::istreambuf_iterator<char>(maps)), std::istreambuf_iterator<char>());
    if (!text.empty()) break;
  }
  if (text.empty())
    return absl::PermissionDeniedError(absl::StrCat("process ", pid, " is not there, or its memory may be read by root only"));
  const int memory = open((folder + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  const int pagemap = open((folder + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC);
  absl::Cleanup close_both = [memory, pagemap] {
    if (memory >= 0) close(memory);
    if (pagemap >= 0) close(pagemap);
  };
  if (memory < 0)
    return absl::PermissionDeniedError(absl::StrCat("the memory of process ", pid, " cannot be opened: ", std::strerror(errno)));
  Report report;
  std::vector<uint8_t> buffer(kPiece);
  for (const Mapping& mapping : ParseMaps(text)) {
    if (mapping.empty || IsSanitizerShadow(mapping) || mapping.name == "[vvar]" || mapping.name == "[vsyscall]") continue;
    Merge(mapping.name.empty() ? "anonymous memory" : mapping.name, ScanMapping(memory, pagemap, mapping, finder, buffer), report);
  }
  if (report.bytes == 0) return absl::PermissionDeniedError(absl::StrCat("no page of process ", pid, " could be read"));
  return report;
}

absl::StatusOr<Report> ScanFile(const std::string& path, const Finder& finder) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return absl::NotFoundError(absl::StrCat(path, " cannot be read: ", std::strerror(errno)));
  absl::Cleanup close_it = [file] { close(file); };
  Result result;
  std::vector<uint8_t> buffer(kPiece);
  const off_t size = lseek(file, 0, SEEK_END);
  ScanRange(file, 0, size > 0 ? static_cast<uint64_t>(size) : 0, finder, buffer, result);
  Report report;
  Merge(path, std::move(result), report);
  return report;
}

}  // namespace flattone::memscan
