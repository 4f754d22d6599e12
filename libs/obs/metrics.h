// Metrics as light handles: made once by constructor with the process's Registry, moved by one atomic
// operation on the hot path, read when Prometheus scrapes.
//
//   class Meters {
//     explicit Meters(obs::Registry& registry)
//         : frames(registry, "flattone_masker_frames_total", "Frames masked", {{"codec", "pcmu"}}) {}
//     obs::Counter frames;
//   };
//   meters.frames.Add();
//
// Names are `flattone_<service>_<what>_<unit>`. Label values come from a bounded set: never a tenant's free
// text, never anything a caller typed; where a set is not known at compile time use CounterFamily, which
// folds what is beyond its limit into "other". Same name and labels give the same cell, so a second handle
// goes on counting where the first did. The Registry must outlive nothing: cells are shared.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flattone::obs {

using Labels = std::vector<std::pair<std::string, std::string>>;

namespace internal {
struct Cell {
  std::atomic<uint64_t> count{0};
  std::atomic<double> value{0};  // gauge, or the sum of a histogram
  std::vector<double> bounds;    // histogram only, ascending
  std::unique_ptr<std::atomic<uint64_t>[]> buckets;  // bounds.size() + 1, not cumulative
  std::function<double()> read;  // gauge that is asked when scraped
};
class Store;
}  // namespace internal

// What one process exports. Any thread; creating a metric takes a lock, moving one does not.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // All metrics in Prometheus text format, as a scrape would see them.
  std::string Text() const;
  // The value of one counter or gauge, or a histogram's count; -1 when there is no such metric. For tests.
  double Value(std::string_view name, const Labels& labels = {}) const;

  internal::Store& store() { return *store_; }
  const std::shared_ptr<internal::Store>& shared_store() const { return store_; }

 private:
  std::shared_ptr<internal::Store> store_;
};

// Only ever goes up.
class Counter {
 public:
  Counter(Registry& registry, std::string_view name, std::string_view help, const Labels& labels = {});
  void Add(uint64_t n = 1) { cell_->count.fetch_add(n, std::memory_order_relaxed); }
  uint64_t Value() const { return cell_->count.load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<internal::Cell> cell_;
};

// Goes up and down.
class Gauge {
 public:
  Gauge(Registry& registry, std::string_view name, std::string_view help, const Labels& labels = {});
  void Set(double value) { cell_->value.store(value, std::memory_order_relaxed); }
  void Add(double delta);
  double Value() const { return cell_->value.load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<internal::Cell> cell_;
};

// A gauge that is asked when scraped: `read` runs on the exposer's thread until this handle is destroyed,
// and never during or after its destruction.
class GaugeFunction {
 public:
  GaugeFunction(Registry& registry, std::string_view name, std::string_view help, std::function<double()> read,
                const Labels& labels = {});
  ~GaugeFunction();
  GaugeFunction(const GaugeFunction&) = delete;
  GaugeFunction& operator=(const GaugeFunction&) = delete;

 private:
  std::shared_ptr<internal::Store> store_;
  std::shared_ptr<internal::Cell> cell_;
};

// Counts observations in buckets; `bounds` ascend, the one above the last is implied.
class Histogram {
 public:
  Histogram(Registry& registry, std::string_view name, std::string_view help, const std::vector<double>& bounds,
            const Labels& labels = {});
  void Observe(double value);
  uint64_t Count() const { return cell_->count.load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<internal::Cell> cell_;
};

// Bounds for durations in seconds, 100 µs to 60 s.
const std::vector<double>& DurationBounds();

// One counter per value of one label, for values that are only known at run time (a refusal's code, a method's
// name). At most `limit` values are kept; the rest count as "other". Takes a lock: not for the packet path.
class CounterFamily {
 public:
  CounterFamily(Registry& registry, std::string_view name, std::string_view help, std::string_view label,
                size_t limit = 64);
  void Add(std::string_view value, uint64_t n = 1);

 private:
  Registry& registry_;
  const std::string name_, help_, label_;
  const size_t limit_;
  std::mutex mutex_;
  std::map<std::string, Counter, std::less<>> counters_;
};

}  // namespace flattone::obs
