// The inside of Registry: families of cells, and how they look to prometheus-cpp. Private to libs/obs.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "libs/obs/metrics.h"

namespace flattone::obs::internal {

class Store final : public prometheus::Collectable {
 public:
  enum class Kind { kCounter, kGauge, kHistogram };

  // The cell for (name, labels); made on first use. A name that is already another kind is a bug: counted, and
  // the caller gets a cell that nobody scrapes.
  std::shared_ptr<Cell> Get(Kind kind, std::string_view name, std::string_view help, const Labels& labels,
                            const std::vector<double>& bounds = {});
  // The series is not scraped any more; its cell lives as long as its handles.
  void Drop(std::string_view name, const Labels& labels);
  void SetRead(const std::shared_ptr<Cell>& cell, std::function<double()> read);
  double Value(std::string_view name, const Labels& labels) const;

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  struct Family {
    Kind kind;
    std::string help;
    std::map<Labels, std::shared_ptr<Cell>> cells;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;
};

}  // namespace flattone::obs::internal
