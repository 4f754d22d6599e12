#include "libs/obs/passing_gauge.h"

#include <utility>

#include "libs/obs/metrics_store.h"

namespace flattone::obs {

PassingGauge::PassingGauge(Registry& registry, std::string_view name, std::string_view help, Labels labels)
    : store_(registry.shared_store()), name_(name), labels_(std::move(labels)), gauge_(registry, name, help, labels_) {}

PassingGauge::~PassingGauge() { store_->Drop(name_, labels_); }

}  // namespace flattone::obs
