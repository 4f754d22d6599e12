// scan: looks for card data in processes, logs and databases. Wiring only; see README.md.
#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tools/memscan/targets.h"

namespace flattone::memscan {
namespace {

namespace json = boost::json;

struct Target {
  std::string kind, name;
  std::vector<std::string> paths;  // of a database: its file and what SQLite keeps beside it
  pid_t pid = 0;
};

struct Verdict {
  int64_t found = 0, unproven = 0, unreadable = 0;
};

json::array PlacesJson(const Report& report) {
  json::array places;
  for (const Place& place : report.places) {
    if (places.size() >= 20) break;
    places.push_back(json::object{{"where", place.where}, {"offset", absl::StrCat("0x", absl::Hex(place.finding.offset))},
                                  {"encoding", place.finding.encoding}, {"digits", place.finding.digits}});
  }
  return places;
}

absl::StatusOr<Report> Scan(const Target& target, const Finder& finder) {
  if (target.kind == "process") return ScanProcess(target.pid, finder);
  Report all;
  for (const std::string& path : target.paths) {
    absl::StatusOr<Report> report = ScanFile(path, finder);
    if (!report.ok()) return report.status();
    all.places.insert(all.places.end(), report->places.begin(), report->places.end());
    all.coincidences += report->coincidences;
    all.canary = all.canary || report->canary;
    all.bytes += report->bytes;
  }
  return all;
}

void ScanTarget(const Target& target, const Finder& finder, bool canary_wanted, const std::set<std::string>& allowed, Verdict& verdict) {
  const auto begin = std::chrono::steady_clock::now();
  const absl::StatusOr<Report> report = Scan(target, finder);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  json::object line{{"kind", target.kind}, {"name", target.name}};
  if (!report.ok()) {
    line["error"] = std::string(report.status().message());
    ++verdict.unreadable;
  } else {
    line["bytes"] = report->bytes;
    line["milliseconds"] = static_cast<int64_t>(seconds * 1000);
    line["canary"] = report->canary;
    line["findings"] = report->places.size();
    line["places"] = PlacesJson(*report);
    line["coincidences"] = report->coincidences;
    if (canary_wanted && !report->canary) ++verdict.unproven;
    if (!report->places.empty() && !allowed.contains(target.name)) ++verdict.found;
  }
  std::cout << json::serialize(line) << std::endl;
}

// NAME=VALUE; a value alone is its own name.
std::pair<std::string, std::string> Named(const std::string& text) {
  const size_t at = text.find('=');
  return at == std::string::npos ? std::pair(text, text) : std::pair(text.substr(0, at), text.substr(at + 1));
}

Target Database(const std::string& argument) {
  const auto [name, path] = Named(argument);
  Target target{"database", name, {path}};
  for (const char* suffix : {"-wal", "-shm", "-journal"})
    if (std::filesystem::exists(path + suffix)) target.paths.push_back(path + suffix);
  return target;
}

int Main(int argc, char** argv) {
  CLI::App app("Looks for the card numbers given on standard input ('card NUMBER [MMYY [CODE]]', 'canary DIGITS').\n"
               "Exit: 0 clean, 1 found, 3 the canary was not found where it was planted, 2 could not look.", "scan");
  std::vector<std::string> processes, logs, databases, allow;
  app.add_option("--process", processes, "NAME=PID, may be repeated");
  app.add_option("--log", logs, "[NAME=]FILE, may be repeated");
  app.add_option("--database", databases, "[NAME=]FILE, may be repeated; -wal, -shm and -journal go with it");
  app.add_option("--allow", allow, "name of a process that may hold the card at this moment: reported, not judged");
  CLI11_PARSE(app, argc, argv);
  const std::string text((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
  const absl::StatusOr<Wanted> wanted = ParseWanted(text);
  if (!wanted.ok()) {
    std::cerr << "scan: " << wanted.status().message() << "\n";
    return 2;
  }
  std::vector<Target> targets;
  for (const std::string& process : processes) {
    const auto [name, pid] = Named(process);
    Target target{"process", name, {}};
    if (!absl::SimpleAtoi(pid, &target.pid) || target.pid <= 0) {
      std::cerr << "scan: --process " << process << " must be NAME=PID\n";
      return 2;
    }
    targets.push_back(target);
  }
  for (const std::string& log : logs) targets.push_back({"log", Named(log).first, {Named(log).second}});
  for (const std::string& database : databases) targets.push_back(Database(database));
  const Finder finder(*wanted);
  const std::set<std::string> allowed(allow.begin(), allow.end());
  Verdict verdict;
  for (const Target& target : targets) ScanTarget(target, finder, !wanted->canary.empty(), allowed, verdict);
  return verdict.unreadable > 0 ? 2 : verdict.found > 0 ? 1 : verdict.unproven > 0 ? 3 : 0;
}

}  // namespace
}  // namespace flattone::memscan

int main(int argc, char** argv) { return flattone::memscan::Main(argc, argv); }
