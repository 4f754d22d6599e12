// JSON logs, one line per record:
//   {"time":"2026-01-01T00:00:00.000000Z","level":"info","service":"media-relay","msg":"call started",
//    "trace_id":"4bf9…","call":"call_7k2m…","legs":2}
//
//   log.Info(trace, "call started", {{"call", id}, {"legs", 2}});
//
// `msg` is a constant text: what varies goes into fields, so that lines can be counted, searched and limited.
// A value must be text, a number, a bool, a Status or a Duration: a Secret, a Pan or a byte span does not
// compile. As a second line of defence a run of 13 to 19 digits that passes the Luhn check is written as
// "[number removed]" and counted. Lines that repeat are limited per (level, msg): the first `burst` of each
// period are written, the next one written after that tells how many were held back.
// Never call it per packet. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/obs/metrics.h"
#include "libs/obs/trace.h"

namespace flattone::obs {

template <typename T>
concept LogText = std::is_convertible_v<const T&, std::string_view> && !std::is_same_v<T, std::nullptr_t>;
template <typename T>
concept LogNumber = std::is_arithmetic_v<T> && !std::is_same_v<T, char>;  // a char may be a key press

// One key and its value, already rendered as JSON.
class Field {
 public:
  template <LogText T>
  Field(std::string_view key, const T& value) : key_(key) { SetText(std::string_view(value)); }
  template <LogNumber T>
  Field(std::string_view key, T value) : key_(key) {
    if constexpr (std::is_same_v<T, bool>) json_ = value ? "true" : "false";
    else if constexpr (std::is_floating_point_v<T>) SetDouble(static_cast<double>(value));
    else if constexpr (std::is_signed_v<T>) json_ = std::to_string(static_cast<int64_t>(value));
    else json_ = std::to_string(static_cast<uint64_t>(value));
  }
  Field(std::string_view key, const absl::Status& value);   // "NOT_FOUND: …"
  Field(std::string_view key, absl::Duration value);        // seconds, as a number

  std::string_view key() const { return key_; }
  const std::string& json() const { return json_; }
  bool redacted() const { return redacted_; }

 private:
  void SetText(std::string_view text);
  void SetDouble(double value);
  std::string_view key_;
  std::string json_;
  bool redacted_ = false;
};

enum class Level { kDebug, kInfo, kWarn, kError };

class Logger {
 public:
  struct Options {
    std::string service;
    Level level = Level::kInfo;
    std::string file;  // empty: standard error
    int burst = 200;   // lines with the same level and msg per period
    absl::Duration period = absl::Seconds(10);
  };
  // Where the lines go; for tests. Gets each line without its end, under a lock.
  using Sink = std::function<void(std::string_view line)>;

  Logger(Options options, const Clock& clock, Registry& registry);
  Logger(Options options, const Clock& clock, Registry& registry, Sink sink);
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  using Fields = std::initializer_list<Field>;
  void Debug(const TraceContext& trace, std::string_view msg, Fields fields = {}) { Write(Level::kDebug, trace, msg, fields); }
  void Info(const TraceContext& trace, std::string_view msg, Fields fields = {}) { Write(Level::kInfo, trace, msg, fields); }
  void Warn(const TraceContext& trace, std::string_view msg, Fields fields = {}) { Write(Level::kWarn, trace, msg, fields); }
  void Error(const TraceContext& trace, std::string_view msg, Fields fields = {}) { Write(Level::kError, trace, msg, fields); }
  void Debug(std::string_view msg, Fields fields = {}) { Write(Level::kDebug, {}, msg, fields); }
  void Info(std::string_view msg, Fields fields = {}) { Write(Level::kInfo, {}, msg, fields); }
  void Warn(std::string_view msg, Fields fields = {}) { Write(Level::kWarn, {}, msg, fields); }
  void Error(std::string_view msg, Fields fields = {}) { Write(Level::kError, {}, msg, fields); }
  void Write(Level level, const TraceContext& trace, std::string_view msg, Fields fields);
  void Flush();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "debug", "info", "warn" or "error".
std::optional<Level> ParseLevel(std::string_view text);

}  // namespace flattone::obs
