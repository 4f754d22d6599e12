#include "libs/obs/metrics.h"

#include <algorithm>
#include <limits>
#include <sstream>

#include <prometheus/text_serializer.h>

#include "libs/base/check.h"
#include "libs/obs/metrics_store.h"

namespace flattone::obs {
namespace internal {
namespace {

Labels Sorted(Labels labels) {
  std::sort(labels.begin(), labels.end());
  return labels;
}

void FillHistogram(const Cell& cell, prometheus::ClientMetric& metric) {
  uint64_t running = 0;
  for (size_t i = 0; i <= cell.bounds.size(); ++i) {
    running += cell.buckets[i].load(std::memory_order_relaxed);
    const double bound = i < cell.bounds.size() ? cell.bounds[i] : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({running, bound});
  }
  metric.histogram.sample_count = running;
  metric.histogram.sample_sum = cell.value.load(std::memory_order_relaxed);
}

double GaugeValue(const Cell& cell) { return cell.read ? cell.read() : cell.value.load(std::memory_order_relaxed); }

prometheus::MetricType TypeOf(Store::Kind kind) {
  switch (kind) {
    case Store::Kind::kCounter: return prometheus::MetricType::Counter;
    case Store::Kind::kGauge: return prometheus::MetricType::Gauge;
    case Store::Kind::kHistogram: return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

prometheus::ClientMetric Snapshot(Store::Kind kind, const Labels& labels, const Cell& cell) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : labels) metric.label.push_back({name, value});
  if (kind == Store::Kind::kCounter) metric.counter.value = static_cast<double>(cell.count.load(std::memory_order_relaxed));
  if (kind == Store::Kind::kGauge) metric.gauge.value = GaugeValue(cell);
  if (kind == Store::Kind::kHistogram) FillHistogram(cell, metric);
  return metric;
}

}  // namespace

std::shared_ptr<Cell> Store::Get(Kind kind, std::string_view name, std::string_view help, const Labels& labels,
                                 const std::vector<double>& bounds) {
  std::lock_guard lock(mutex_);
  auto& family = families_.try_emplace(std::string(name), Family{kind, std::string(help), {}}).first->second;
  auto fresh = [&] {
    auto cell = std::make_shared<Cell>();
    cell->bounds = bounds;
    if (kind == Kind::kHistogram) cell->buckets = std::make_unique<std::atomic<uint64_t>[]>(bounds.size() + 1);
    return cell;
  };
  if (family.kind != kind) {
    FT_BUG("a metric's name is used for two kinds");
    return fresh();
  }
  auto& cell = family.cells[Sorted(labels)];
  if (!cell) cell = fresh();
  return cell;
}

void Store::Drop(std::string_view name, const Labels& labels) {
  std::lock_guard lock(mutex_);
  auto family = families_.find(name);
  if (family != families_.end()) family->second.cells.erase(Sorted(labels));
}

void Store::SetRead(const std::shared_ptr<Cell>& cell, std::function<double()> read) {
  std::lock_guard lock(mutex_);
  cell->read = std::move(read);
}

double Store::Value(std::string_view name, const Labels& labels) const {
  std::lock_guard lock(mutex_);
  auto family = families_.find(name);
  if (family == families_.end()) return -1;
  auto cell = family->second.cells.find(Sorted(labels));
  if (cell == family->second.cells.end()) return -1;
  if (family->second.kind == Kind::kGauge) return GaugeValue(*cell->second);
  return static_cast<double>(cell->second->count.load(std::memory_order_relaxed));
}

std::vector<prometheus::MetricFamily> Store::Collect() const {
  std::lock_guard lock(mutex_);
  std::vector<prometheus::MetricFamily> out;
  out.reserve(families_.size());
  for (const auto& [name, family] : families_) {
    prometheus::MetricFamily& to = out.emplace_back();
    to.name = name;
    to.help = family.help;
    to.type = TypeOf(family.kind);
    for (const auto& [labels, cell] : family.cells) to.metric.push_back(Snapshot(family.kind, labels, *cell));
  }
  return out;
}

}  // namespace internal

using internal::Store;

Registry::Registry() : store_(std::make_shared<Store>()) {}
Registry::~Registry() = default;

std::string Registry::Text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, store_->Collect());
  return out.str();
}

double Registry::Value(std::string_view name, const Labels& labels) const { return store_->Value(name, labels); }

Counter::Counter(Registry& registry, std::string_view name, std::string_view help, const Labels& labels)
    : cell_(registry.store().Get(Store::Kind::kCounter, name, help, labels)) {}

Gauge::Gauge(Registry& registry, std::string_view name, std::string_view help, const Labels& labels)
    : cell_(registry.store().Get(Store::Kind::kGauge, name, help, labels)) {}

void Gauge::Add(double delta) {
  double seen = cell_->value.load(std::memory_order_relaxed);
  while (!cell_->value.compare_exchange_weak(seen, seen + delta, std::memory_order_relaxed)) {
  }
}

GaugeFunction::GaugeFunction(Registry& registry, std::string_view name, std::string_view help,
                             std::function<double()> read, const Labels& labels)
    : store_(registry.shared_store()), cell_(store_->Get(Store::Kind::kGauge, name, help, labels)) {
  store_->SetRead(cell_, std::move(read));
}

GaugeFunction::~GaugeFunction() { store_->SetRead(cell_, nullptr); }

Histogram::Histogram(Registry& registry, std::string_view name, std::string_view help,
                     const std::vector<double>& bounds, const Labels& labels)
    : cell_(registry.store().Get(Store::Kind::kHistogram, name, help, labels, bounds)) {}

void Histogram::Observe(double value) {
  const auto& bounds = cell_->bounds;
  const size_t bucket = std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin();
  cell_->buckets[bucket].fetch_add(1, std::memory_order_relaxed);
  cell_->count.fetch_add(1, std::memory_order_relaxed);
  double sum = cell_->value.load(std::memory_order_relaxed);
  while (!cell_->value.compare_exchange_weak(sum, sum + value, std::memory_order_relaxed)) {
  }
}

const std::vector<double>& DurationBounds() {
  static const auto* bounds = new std::vector<double>{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                      0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30,    60};
  return *bounds;
}

CounterFamily::CounterFamily(Registry& registry, std::string_view name, std::string_view help, std::string_view label,
                             size_t limit)
    : registry_(registry), name_(name), help_(help), label_(label), limit_(limit) {}

void CounterFamily::Add(std::string_view value, uint64_t n) {
  std::lock_guard lock(mutex_);
  auto found = counters_.find(value);
  if (found == counters_.end()) {
    const std::string key = counters_.size() < limit_ ? std::string(value) : "other";
    found = counters_.try_emplace(key, Counter(registry_, name_, help_, {{label_, key}})).first;
  }
  found->second.Add(n);
}

}  // namespace flattone::obs
