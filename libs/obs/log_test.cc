#include "libs/obs/log.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

#include <boost/json.hpp>

#include "libs/obs/json_text.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::obs {
namespace {

struct Opaque {};  // what a Secret looks like to the log: converts to nothing
template <typename T>
concept CanBeLogged = requires(const T& value) { Field("key", value); };
static_assert(CanBeLogged<std::string> && CanBeLogged<const char*> && CanBeLogged<int> && CanBeLogged<absl::Status>);
static_assert(!CanBeLogged<Opaque> && !CanBeLogged<Opaque*> && !CanBeLogged<std::vector<uint8_t>>);
static_assert(!CanBeLogged<char>, "a char may be a key press");

struct Fixture {
  explicit Fixture(Logger::Options options = {.service = "test"})
      : logger(std::move(options), clock, registry, [this](std::string_view line) { lines.emplace_back(line); }) {}
  boost::json::object Last() { return boost::json::parse(lines.back()).as_object(); }

  testing::FakeClock clock;
  Registry registry;
  std::vector<std::string> lines;
  Logger logger;
};

std::string WithLuhnDigit(std::string digits) {
  for (char last = '0'; last <= '9'; ++last) {
    std::string candidate = digits + last, probe = candidate;
    if (RemoveCardShapedNumbers(probe)) return candidate;
  }
  return {};
}

TEST_CASE("A record is one line of valid JSON with time, level, service, msg, trace and fields") {
  Fixture f;
  auto trace = *TraceContext::Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  f.logger.Warn(trace, "line one\nline \"two\"", {{"n", 7}, {"ok", true}, {"share", 0.5}, {"why", absl::NotFoundError("no")},
                                                   {"took", absl::Milliseconds(1500)}, {"text", "tab\t\x01\xff\xc3\xa9"}});
  REQUIRE(f.lines.size() == 1);
  CHECK(f.lines[0].find('\n') == std::string::npos);
  auto record = f.Last();
  CHECK(record["time"] == "2026-01-01T00:00:00.000000Z");
  CHECK(record["level"] == "warn");
  CHECK(record["service"] == "test");
  CHECK(record["msg"] == "line one\nline \"two\"");
  CHECK(record["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(record["n"] == 7);
  CHECK(record["ok"] == true);
  CHECK(record["share"] == 0.5);
  CHECK(record["took"] == 1.5);
  CHECK(record["why"] == "NOT_FOUND: no");
  CHECK(record["text"] == "tab\t\x01\xef\xbf\xbd\xc3\xa9");
}

TEST_CASE("Lines below the level are not written") {
  Fixture f({.service = "test", .level = Level::kWarn});
  f.logger.Info("quiet");
  CHECK(f.lines.empty());
  f.logger.Error("loud");
  CHECK(f.lines.size() == 1);
}

TEST_CASE("Repeated lines are held back, counted, and told with the next one") {
  Fixture f({.service = "test", .burst = 3, .period = absl::Seconds(10)});
  for (int i = 0; i < 10; ++i) f.logger.Info("again", {{"i", i}});
  f.logger.Info("another");
  CHECK(f.lines.size() == 4);
  CHECK(f.registry.Value("flattone_log_suppressed_total") == 7);
  f.clock.Advance(absl::Seconds(11));
  f.logger.Info("again");
  CHECK(f.Last()["held_back"] == 7);
  f.logger.Info("again");
  CHECK_FALSE(f.Last().contains("held_back"));
}

TEST_CASE("A card-shaped number never reaches a line") {
  Fixture f;
  const std::string number = WithLuhnDigit("424242000000001");
  REQUIRE(number.size() == 16);
  f.logger.Info("input", {{"text", "card " + number + "."}});
  f.logger.Info("input", {{"text", number.substr(0, 4) + " " + number.substr(4, 4) + "-" + number.substr(8)}});
  f.logger.Info("msg " + number);
  for (const auto& line : f.lines) CHECK(line.find(number.substr(4, 7)) == std::string::npos);
  CHECK(f.registry.Value("flattone_log_redactions_total") == 3);
  std::string harmless = "id 1234567890123 and 2026-01-01";
  CHECK_FALSE(RemoveCardShapedNumbers(harmless));
}

TEST_CASE("A logger writes to the file it was given") {
  char path[] = "/tmp/flattone-log-XXXXXX";
  close(mkstemp(path));
  testing::FakeClock clock;
  Registry registry;
  Logger({.service = "test", .file = path}, clock, registry).Info("hello");
  std::string line;
  std::getline(std::ifstream(path) >> std::ws, line);
  CHECK(boost::json::parse(line).at("msg") == "hello");
  std::remove(path);
}

TEST_CASE("Levels parse by name only") {
  CHECK(ParseLevel("warn") == Level::kWarn);
  CHECK_FALSE(ParseLevel("WARN").has_value());
}

}  // namespace
}  // namespace flattone::obs
