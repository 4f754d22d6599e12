#include "libs/obs/log.h"

#include <cmath>
#include <mutex>
#include <unordered_map>

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "libs/obs/json_text.h"

namespace flattone::obs {
namespace {

constexpr size_t kMaxLimitedMessages = 1024;  // distinct (level, msg); beyond it the table starts anew

const char* NameOf(Level level) {
  switch (level) {
    case Level::kDebug: return "debug";
    case Level::kInfo: return "info";
    case Level::kWarn: return "warn";
    case Level::kError: return "error";
  }
  return "error";
}

class CallbackSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit CallbackSink(Logger::Sink sink) : sink_(std::move(sink)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& msg) override { sink_(std::string_view(msg.payload.data(), msg.payload.size())); }
  void flush_() override {}

 private:
  Logger::Sink sink_;
};

spdlog::sink_ptr MakeSink(const std::string& file) {
  if (!file.empty()) {
    try {
      return std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
    } catch (const spdlog::spdlog_ex& error) {
      std::fprintf(stderr, "log file %s cannot be opened (%s); logging to standard error\n", file.c_str(), error.what());
    }
  }
  return std::make_shared<spdlog::sinks::stderr_sink_mt>();
}

}  // namespace

Field::Field(std::string_view key, const absl::Status& value) : key_(key) { SetText(value.ToString()); }
Field::Field(std::string_view key, absl::Duration value) : key_(key) { SetDouble(absl::ToDoubleSeconds(value)); }

void Field::SetText(std::string_view text) {
  std::string clean(text);
  redacted_ = RemoveCardShapedNumbers(clean);
  json_ = JsonString(clean);
}

void Field::SetDouble(double value) {
  if (!std::isfinite(value)) {
    json_ = "null";
    return;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  json_ = text;
}

struct Logger::Impl {
  struct Limit {
    int64_t period_start = 0;
    int written = 0;
    uint64_t held_back = 0;
  };

  Impl(Options o, const Clock& c, Registry& r, spdlog::sink_ptr sink)
      : options(std::move(o)), clock(c), out("flattone", std::move(sink)),
        lines{{r, "flattone_log_lines_total", "Log lines written", {{"level", "debug"}}},
              {r, "flattone_log_lines_total", "Log lines written", {{"level", "info"}}},
              {r, "flattone_log_lines_total", "Log lines written", {{"level", "warn"}}},
              {r, "flattone_log_lines_total", "Log lines written", {{"level", "error"}}}},
        suppressed(r, "flattone_log_suppressed_total", "Repeated log lines held back"),
        redactions(r, "flattone_log_redactions_total", "Card-shaped numbers kept out of the log: each is a bug") {
    out.set_pattern("%v");
    out.set_level(spdlog::level::trace);
    out.flush_on(spdlog::level::trace);
  }

  // Whether this line may be written; `*before` is how many like it were held back since the last one.
  bool Allow(Level level, std::string_view msg, uint64_t* before) {
    const int64_t now = clock.MonotonicNanos();
    std::lock_guard lock(mutex);
    if (limits.size() >= kMaxLimitedMessages) limits.clear();
    std::string key(1, static_cast<char>('0' + static_cast<int>(level)));
    key += msg;
    Limit& limit = limits[key];
    if (limit.written == 0 || now - limit.period_start >= absl::ToInt64Nanoseconds(options.period)) {
      limit.period_start = now;
      limit.written = 0;
    }
    if (limit.written >= options.burst) {
      ++limit.held_back;
      return false;
    }
    ++limit.written;
    *before = limit.held_back;
    limit.held_back = 0;
    return true;
  }

  const Options options;
  const Clock& clock;
  spdlog::logger out;
  Counter lines[4];
  Counter suppressed, redactions;
  std::mutex mutex;
  std::unordered_map<std::string, Limit> limits;
};

Logger::Logger(Options options, const Clock& clock, Registry& registry) {
  auto sink = MakeSink(options.file);
  impl_ = std::make_unique<Impl>(std::move(options), clock, registry, std::move(sink));
}

Logger::Logger(Options options, const Clock& clock, Registry& registry, Sink sink)
    : impl_(std::make_unique<Impl>(std::move(options), clock, registry, std::make_shared<CallbackSink>(std::move(sink)))) {}

Logger::~Logger() { Flush(); }

void Logger::Flush() { impl_->out.flush(); }

void Logger::Write(Level level, const TraceContext& trace, std::string_view msg, Fields fields) {
  if (level < impl_->options.level) return;
  uint64_t held_back = 0;
  if (!impl_->Allow(level, msg, &held_back)) {
    impl_->suppressed.Add();
    return;
  }
  const Field text("msg", msg);
  uint64_t removed = text.redacted();
  std::string line = "{\"time\":\"";
  line += absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", impl_->clock.Now(), absl::UTCTimeZone());
  line += "\",\"level\":\"";
  line += NameOf(level);
  line += "\",\"service\":";
  line += JsonString(impl_->options.service);
  line += ",\"msg\":";
  line += text.json();
  if (!trace.empty()) line += ",\"trace_id\":\"" + trace.TraceId() + '"';
  for (const Field& field : fields) {
    line += ',';
    line += JsonString(field.key());
    line += ':';
    line += field.json();
    removed += field.redacted();
  }
  if (held_back > 0) line += ",\"held_back\":" + std::to_string(held_back);
  line += '}';
  impl_->lines[static_cast<int>(level)].Add();
  if (removed > 0) impl_->redactions.Add(removed);
  impl_->out.log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

std::optional<Level> ParseLevel(std::string_view text) {
  for (Level level : {Level::kDebug, Level::kInfo, Level::kWarn, Level::kError}) {
    if (text == NameOf(level)) return level;
  }
  return std::nullopt;
}

}  // namespace flattone::obs
